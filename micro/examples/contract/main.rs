//! A service whose contract is a `.proto`. Its Rust is what
//! `micro gen weather.proto` wrote, and is committed beside it. Run it, and in another terminal
//! `micro call weather Station.Latest '{"place":"Cape Town"}'`.

#[rustfmt::skip]
#[allow(unreachable_pub, reason = "what is generated may be a library's as well")]
mod weather;

use std::time::{Duration, SystemTime};

use micro::{Context, Error, Result, Service, Streaming};
use weather::{
    HistoryRequest, LatestRequest, Reading, Sky, Station, StationServer, Summary,
    reading::Precipitation,
};

/// A station where the weather is always the same.
struct Steady;

fn reading(place: String) -> Reading {
    Reading {
        place,
        at: Some(SystemTime::now().into()),
        degrees_celsius: 21.5,
        sky: Sky::Clouded.into(),
        precipitation: Some(Precipitation::RainMm(0.2)),
    }
}

impl Station for Steady {
    async fn latest(&self, _: Context, request: LatestRequest) -> Result<Reading> {
        if request.place.is_empty() {
            return Err(Error::invalid_argument("`place` is missing"));
        }
        Ok(reading(request.place))
    }

    async fn history(&self, _: Context, request: HistoryRequest) -> Result<Streaming<Reading>> {
        let interval = match request.interval {
            Some(interval) => interval
                .try_into()
                .map_err(|_| Error::invalid_argument("`interval` is negative"))?,
            None => Duration::from_secs(3600),
        };
        let count = request.count.unwrap_or(24).min(100);
        let (readings, stream) = Streaming::channel(count as usize);
        for back in 0..count {
            let mut reading = reading(request.place.clone());
            let at = SystemTime::now().checked_sub(interval.saturating_mul(back));
            reading.at = at.map(Into::into);
            readings.send(reading).await?;
        }
        Ok(stream)
    }

    async fn report(&self, _: Context, mut readings: Streaming<Reading>) -> Result<Summary> {
        let mut summary = Summary::default();
        while let Some(reading) = readings.next().await {
            let Reading {
                place,
                degrees_celsius,
                ..
            } = reading?;
            let most = summary.warmest.entry(place).or_insert(degrees_celsius);
            *most = most.max(degrees_celsius);
            summary.readings += 1;
        }
        Ok(summary)
    }
}

fn main() -> Result<()> {
    station().run()
}

pub(crate) fn station() -> Service {
    Service::new("weather").routes(StationServer::new(Steady))
}
