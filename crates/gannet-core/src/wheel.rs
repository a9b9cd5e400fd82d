//! Timers by the thousand: made, cancelled and fired each in constant time.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// A hashed timer wheel in levels. Each level has 64 slots; a slot of level 0 is one tick of 8 ms, a slot of each
/// further level a whole turn of the level below. A timer waits in the lowest level where it is ahead of the present
/// and moves down when its slot comes; so a connection that waits two hours for its next keepalive is woken a few
/// times and not at every turn of one big wheel.
///
/// A timer never fires early, and at most one tick late. Empty it has no memory; otherwise memory is bounded by the
/// greatest number of timers alive at once, whatever number was made and cancelled.
///
/// ```
/// use gannet_core::Wheel;
/// use std::time::{Duration, Instant};
///
/// # #[expect(clippy::disallowed_methods, reason = "the example is a caller")]
/// let start = Instant::now();
/// let mut wheel = Wheel::new();
/// let key = wheel.insert(start, start + Duration::from_secs(1), 7);
/// wheel.insert(start, start + Duration::from_secs(2), 8);
/// wheel.cancel(key);
/// assert!(wheel.next().is_some_and(|wake_at| wake_at <= start + Duration::from_secs(2)));
/// assert_eq!(wheel.poll_expired(start + Duration::from_secs(3)), Some(8));
/// assert_eq!(wheel.next(), None);
/// ```
#[derive(Debug, Default)]
pub struct Wheel {
    /// The time of tick 0; set by the first timer.
    origin: Option<Instant>,
    /// The tick up to which slots have been emptied.
    elapsed: u64,
    /// As many as a timer has needed.
    levels: Vec<Level>,
    timers: Vec<Timer>,
    /// The first free place in `timers`; the others follow by `next`.
    free: Option<Index>,
    /// Timers whose time has come and that [`Wheel::poll_expired`] has not given out yet.
    expired: Option<Index>,
    live: usize,
    /// Counts timers, so that the key of a timer that is gone fits none that took its place.
    generation: u32,
}

/// Names a timer of a [`Wheel`]. Made by [`Wheel::insert`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerKey {
    index: Index,
    generation: u32,
}

#[derive(Clone, Debug)]
struct Level {
    /// A bit for each slot that has a timer.
    occupied: u64,
    slots: [Option<Index>; SLOTS],
}

#[derive(Debug)]
struct Timer {
    /// The tick at which it fires.
    tick: u64,
    token: u64,
    generation: u32,
    next: Option<Index>,
    previous: Option<Index>,
    place: Place,
}

/// A place in `timers`, counted from 1 so that an `Option` of it has four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Index(NonZeroU32);

impl Index {
    fn after(timers: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(timers as u32))
    }

    fn get(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Which list a timer is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Slot { level: u8, slot: u8 },
    Expired,
    Free,
}

const TICK_MS: u64 = 8;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Seven levels: 64⁷ ticks of 8 ms are more than a thousand years.
const LEVELS: u32 = 7;
const LAST_TICK: u64 = (1 << (SLOT_BITS * LEVELS)) - 1;
/// An empty wheel with more places than this gives its memory back.
const KEPT_TIMERS: usize = 16;

impl Wheel {
    /// Empty; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            origin: None,
            elapsed: 0,
            levels: Vec::new(),
            timers: Vec::new(),
            free: None,
            expired: None,
            live: 0,
            generation: 0,
        }
    }

    /// How many timers wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no timer waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// When to call [`Wheel::poll_expired`] next: not after the first timer's time (rounded up to a tick), and
    /// perhaps before it, to move it to a lower level.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let tick = if self.expired.is_some() { self.elapsed } else { self.next_slot()?.tick };
        self.origin?.checked_add(Duration::from_millis(tick * TICK_MS))
    }

    /// Adds a timer that gives out `token` at `at`; one whose time has passed fires with the next tick.
    pub fn insert(&mut self, now: Instant, at: Instant, token: u64) -> TimerKey {
        let origin = *self.origin.get_or_insert(now);
        let present = whole_ticks(now.saturating_duration_since(origin));
        if self.is_empty() {
            self.elapsed = self.elapsed.max(present);
        }
        let first = self.elapsed.max(present) + 1;
        let tick = started_ticks(at.saturating_duration_since(origin)).max(first);
        self.generation = self.generation.wrapping_add(1);
        self.live += 1;
        let timer = Timer {
            tick,
            token,
            generation: self.generation,
            next: None,
            previous: None,
            place: Place::Free,
        };
        let index = self.store(timer);
        self.link(index, self.place_of(tick));
        TimerKey { index, generation: self.generation }
    }

    /// Removes a timer and frees its place; says whether it was still there.
    pub fn cancel(&mut self, key: TimerKey) -> bool {
        match self.timers.get(key.index.get()) {
            Some(timer) if timer.generation == key.generation && timer.place != Place::Free => {
                self.remove(key.index);
                true
            }
            _ => false,
        }
    }

    /// The token of a timer whose time has come, if there is one; the timer is gone then. Timers may be added and
    /// cancelled between calls; one added in between at a time that has passed waits for the next tick.
    pub fn poll_expired(&mut self, now: Instant) -> Option<u64> {
        let present = whole_ticks(now.saturating_duration_since(self.origin?));
        while self.expired.is_none() {
            match self.next_slot() {
                Some(slot) if slot.tick <= present => self.empty_slot(slot),
                _ => {
                    self.elapsed = self.elapsed.max(present);
                    return None;
                }
            }
        }
        self.expired.map(|index| self.remove(index))
    }

    /// The slot whose time comes first. Slots of a lower level all come before those of a higher one, and within a
    /// level no slot lies behind the present.
    fn next_slot(&self) -> Option<SlotAt> {
        let (level, occupied) = self
            .levels
            .iter()
            .enumerate()
            .map(|(level, l)| (level as u32, l.occupied))
            .find(|(_, bits)| *bits != 0)?;
        let slot = occupied.trailing_zeros();
        let turn_bits = SLOT_BITS * (level + 1);
        let turn = self.elapsed >> turn_bits << turn_bits;
        Some(SlotAt {
            level: level as u8,
            slot: slot as u8,
            tick: turn | u64::from(slot) << (SLOT_BITS * level),
        })
    }

    /// Goes forward to the start of a slot: its timers fire or move down.
    fn empty_slot(&mut self, slot: SlotAt) {
        self.elapsed = slot.tick;
        let place = Place::Slot { level: slot.level, slot: slot.slot };
        while let Some(index) = *self.head(place) {
            self.unlink(index);
            let tick = self.timers[index.get()].tick;
            let place = if tick <= self.elapsed { Place::Expired } else { self.place_of(tick) };
            self.link(index, place);
        }
    }

    /// The lowest level where the timer is in another slot than the present.
    fn place_of(&self, tick: u64) -> Place {
        let tick = tick.min(LAST_TICK);
        let highest_bit = ((self.elapsed ^ tick) | 1).ilog2();
        let level = (highest_bit / SLOT_BITS).min(LEVELS - 1);
        let slot = (tick >> (SLOT_BITS * level)) as usize % SLOTS;
        Place::Slot { level: level as u8, slot: slot as u8 }
    }

    fn store(&mut self, timer: Timer) -> Index {
        match self.free {
            Some(index) => {
                self.free = self.timers[index.get()].next;
                self.timers[index.get()] = timer;
                index
            }
            None => {
                let index = Index::after(self.timers.len());
                self.timers.push(timer);
                index
            }
        }
    }

    /// Takes a timer out and gives its place back.
    fn remove(&mut self, index: Index) -> u64 {
        self.unlink(index);
        let timer = &mut self.timers[index.get()];
        timer.next = self.free;
        let token = timer.token;
        self.free = Some(index);
        self.live -= 1;
        if self.live == 0 && self.timers.capacity() > KEPT_TIMERS {
            self.timers = Vec::new();
            self.levels = Vec::new();
            self.free = None;
        }
        token
    }

    fn link(&mut self, index: Index, place: Place) {
        let head = self.head(place).replace(index);
        if let Place::Slot { level, slot } = place {
            self.levels[usize::from(level)].occupied |= 1 << slot;
        }
        if let Some(head) = head {
            self.timers[head.get()].previous = Some(index);
        }
        let timer = &mut self.timers[index.get()];
        timer.place = place;
        timer.previous = None;
        timer.next = head;
    }

    fn unlink(&mut self, index: Index) {
        let timer = &mut self.timers[index.get()];
        let (place, previous, next) = (timer.place, timer.previous.take(), timer.next.take());
        timer.place = Place::Free;
        if let Some(next) = next {
            self.timers[next.get()].previous = previous;
        }
        match previous {
            Some(previous) => self.timers[previous.get()].next = next,
            None => *self.head(place) = next,
        }
        if let Place::Slot { level, slot } = place {
            let level = &mut self.levels[usize::from(level)];
            if level.slots[usize::from(slot)].is_none() {
                level.occupied &= !(1 << slot);
            }
        }
    }

    /// The first timer of a list.
    fn head(&mut self, place: Place) -> &mut Option<Index> {
        match place {
            Place::Slot { level, slot } => {
                let level = usize::from(level);
                if self.levels.len() <= level {
                    self.levels.resize(level + 1, Level { occupied: 0, slots: [None; SLOTS] });
                }
                &mut self.levels[level].slots[usize::from(slot)]
            }
            Place::Expired => &mut self.expired,
            Place::Free => &mut self.free,
        }
    }
}

/// A slot and the tick at which it begins.
struct SlotAt {
    level: u8,
    slot: u8,
    tick: u64,
}

/// The tick that has begun: time passed is rounded down, so that nothing fires early.
fn whole_ticks(duration: Duration) -> u64 {
    ((duration.as_millis() / u128::from(TICK_MS)).min(u128::from(LAST_TICK))) as u64
}

/// The tick by which a time has come: rounded up.
fn started_ticks(duration: Duration) -> u64 {
    let nanos = u128::from(TICK_MS) * 1_000_000;
    (duration.as_nanos().div_ceil(nanos).min(u128::from(LAST_TICK))) as u64
}

#[cfg(test)]
mod tests;
