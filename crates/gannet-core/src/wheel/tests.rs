#![expect(clippy::disallowed_methods, reason = "tests need a time to start from")]

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const TICK: Duration = Duration::from_millis(TICK_MS);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn expired(wheel: &mut Wheel, now: Instant) -> Vec<u64> {
    let mut tokens: Vec<_> = std::iter::from_fn(|| wheel.poll_expired(now)).collect();
    tokens.sort_unstable();
    tokens
}

/// Goes from wake-up to wake-up as a driver does, until a timer fires; gives its time and the number of wake-ups.
fn fire(wheel: &mut Wheel, mut now: Instant) -> (u64, Instant, usize) {
    for wake_ups in 0.. {
        if let Some(token) = wheel.poll_expired(now) {
            return (token, now, wake_ups);
        }
        now = wheel.next().unwrap().max(now);
    }
    unreachable!()
}

#[test]
fn an_empty_wheel_has_no_memory() {
    let start = Instant::now();
    let mut wheel = Wheel::new();
    assert_eq!((wheel.next(), wheel.poll_expired(start), wheel.len()), (None, None, 0));
    assert_eq!((wheel.levels.capacity(), wheel.timers.capacity()), (0, 0));
}

#[test]
fn a_timer_fires_at_its_time_and_within_a_tick() {
    let start = Instant::now();
    for after in [0, 1, 8, 9, 504, 511, 512, 513, 30_000, 32_768, 7_200_000, 86_400_000 * 365] {
        let (mut wheel, at) = (Wheel::new(), start + ms(after));
        wheel.insert(start, at, after);
        let (token, fired, wake_ups) = fire(&mut wheel, start);
        assert_eq!(token, after);
        assert!(fired >= at && fired <= at + TICK, "{after}: {:?}", fired - at);
        assert!(wake_ups <= LEVELS as usize, "{after}: {wake_ups} wake-ups");
    }
}

#[test]
fn a_time_that_has_passed_fires_with_the_next_tick() {
    let start = Instant::now();
    let mut wheel = Wheel::new();
    wheel.insert(start, start + ms(1_000), 1);
    let now = start + ms(500);
    wheel.insert(now, start, 2);
    assert_eq!(wheel.poll_expired(now), None);
    assert_eq!(wheel.poll_expired(now + TICK), Some(2));
    assert_eq!(expired(&mut wheel, start + ms(5_000)), [1]);
    assert!(wheel.is_empty());
}

#[test]
fn a_cancelled_timer_never_fires_even_between_polls() {
    let start = Instant::now();
    let mut wheel = Wheel::new();
    let keys = [1, 2, 3].map(|token| wheel.insert(start, start + ms(100), token));
    let first = wheel.poll_expired(start + ms(200)).unwrap();
    let other = if first == 1 { 2 } else { 1 };
    assert!(wheel.cancel(keys[other as usize - 1]));
    assert!(!wheel.cancel(keys[other as usize - 1]));
    assert!(!wheel.cancel(keys[first as usize - 1]));
    assert_eq!(wheel.len(), 1);
    assert_eq!(expired(&mut wheel, start + ms(200)), [6 - first - other]);
}

#[test]
fn the_key_of_a_timer_that_is_gone_fits_no_other() {
    let start = Instant::now();
    let mut wheel = Wheel::new();
    let old = wheel.insert(start, start + ms(8), 1);
    assert!(wheel.cancel(old));
    let new = wheel.insert(start, start + ms(8), 2);
    assert_eq!(old.index, new.index);
    assert!(!wheel.cancel(old));
    assert_eq!(expired(&mut wheel, start + ms(100)), [2]);
}

/// A heap with lazy removal would hold twelve million entries after 30 s of 400,000 calls a second.
#[test]
fn memory_is_bounded_by_the_timers_alive_at_once() {
    let start = Instant::now();
    let mut wheel = Wheel::new();
    for call in 0..100_000 {
        let now = start + Duration::from_micros(call * 10);
        let key = wheel.insert(now, now + ms(30_000), call);
        wheel.cancel(key);
    }
    assert!(wheel.timers.capacity() <= 4);
    let keys: Vec<_> = (0..1_000).map(|token| wheel.insert(start, start + ms(token), token)).collect();
    assert!(keys.into_iter().all(|key| wheel.cancel(key)));
    assert_eq!((wheel.timers.capacity(), wheel.levels.capacity(), wheel.next()), (0, 0, None));
}

#[test]
fn a_far_time_is_kept() {
    let start = Instant::now();
    let mut wheel = Wheel::new();
    let far =
        start.checked_add(Duration::from_secs(99_999_999 * 3_600)).unwrap_or(start + ms(86_400_000 * 36_500));
    wheel.insert(start, far, 1);
    assert_eq!(wheel.poll_expired(start + ms(86_400_000)), None);
    assert!(wheel.next().is_some());
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u64),
    Cancel(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let duration = prop_oneof![0..100u64, 0..5_000u64, 0..5_000_000u64];
    prop_oneof![
        3 => duration.clone().prop_map(Step::Insert),
        1 => any::<usize>().prop_map(Step::Cancel),
        2 => duration.prop_map(Step::Wait),
    ]
}

proptest! {
    /// Against a map of times: nothing fires early, all fires within a tick of its time, what is cancelled does not.
    #[test]
    fn it_does_as_a_plain_map_does(steps in proptest::collection::vec(step(), 1..120)) {
        let start = Instant::now();
        let (mut now, mut wheel, mut model) = (start, Wheel::new(), HashMap::new());
        for (token, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(after) => {
                    let at = now + ms(after);
                    model.insert(token as u64, (at, now, wheel.insert(now, at, token as u64)));
                }
                Step::Cancel(nth) => {
                    let mut tokens: Vec<_> = model.keys().copied().collect();
                    tokens.sort_unstable();
                    if let Some(&token) = tokens.get(nth % tokens.len().max(1)) {
                        let (_, _, key) = model.remove(&token).unwrap();
                        prop_assert!(wheel.cancel(key));
                    }
                }
                Step::Wait(wait) => now += ms(wait),
            }
            for token in expired(&mut wheel, now) {
                let (at, _, _) = model.remove(&token).expect("cancelled");
                prop_assert!(at <= now, "early");
            }
            for (at, made, _) in model.values() {
                prop_assert!(now <= *at + TICK || now <= *made + TICK, "late by {:?}", now - *at);
            }
            prop_assert_eq!(wheel.len(), model.len());
            let first = model.values().map(|(at, made, _)| (*at).max(*made)).min();
            prop_assert_eq!(wheel.next().is_some(), first.is_some());
            if let (Some(next), Some(first)) = (wheel.next(), first) {
                prop_assert!(next <= first + TICK);
            }
        }
    }
}
