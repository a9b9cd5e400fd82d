//! A service whose messages go as protobuf or as JSON, as each call says: what a project with a format of its own
//! writes. The format is the codec's, in `codec.rs`; the service does not know of it.

pub mod codec;

/// What gannet-build made.
#[allow(missing_docs, reason = "the .proto file says what there is to say")]
pub mod proto {
    gannet::include_protos!();
}

use gannet::{Call, Receiver, Result, Sender, Status};
use proto::weather::v1::{Measurement, Place, Reported, Weather};
use std::sync::{Mutex, PoisonError};

/// Measurements in memory.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Vec<Measurement>>);

impl Memory {
    fn of(&self, place: &Place) -> Vec<Measurement> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|one| one.place.as_option() == Some(place)).cloned().collect()
    }

    fn last(&self, place: &Place) -> Result<Measurement> {
        let last = self.of(place).pop();
        last.ok_or_else(|| Status::not_found(format!("nothing was measured at {}", place.name)))
    }
}

impl Weather for Memory {
    async fn latest(&self, _call: &mut Call, place: Place) -> Result<Measurement> {
        self.last(&place)
    }

    async fn history(&self, _call: &mut Call, place: Place, mut all: Sender<Measurement>) -> Result<()> {
        for one in self.of(&place) {
            all.send(one).await?;
        }
        Ok(())
    }

    async fn report(&self, _call: &mut Call, mut reports: Receiver<Measurement>) -> Result<Reported> {
        let mut count = 0;
        while let Some(one) = reports.next().await? {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(one);
            count += 1;
        }
        Ok(Reported { count, ..Default::default() })
    }

    async fn ask(
        &self,
        _call: &mut Call,
        mut places: Receiver<Place>,
        mut answers: Sender<Measurement>,
    ) -> Result<()> {
        while let Some(place) = places.next().await? {
            answers.send(self.last(&place)?).await?;
        }
        Ok(())
    }
}
