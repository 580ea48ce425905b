//! The `date` field of responses (RFC 9110, section 6.6.1), formatted once a second.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::BytesMut;

thread_local! {
    /// The second for which the field was formatted, and the formatted field.
    static FIELD: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// Writes the field.
pub(super) fn write(out: &mut BytesMut) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    FIELD.with_borrow_mut(|(formatted, field)| {
        if *formatted != now {
            *formatted = now;
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
            *field = format!("date: {date}\r\n");
        }
        out.extend_from_slice(field.as_bytes());
    });
}
