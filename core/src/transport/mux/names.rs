//! Endpoints' names as numbers, so that a name crosses a connection once.

use std::collections::HashMap;

use crate::message::Target;

use super::frame::Name;

/// Bytes of service and endpoint together, over which a name gets no number: with the limit of
/// names this bounds the table.
pub(super) const MAX_NAMED_SIZE: usize = 1024;

fn is_short(target: &Target) -> bool {
    target.service().len() + target.endpoint().len() <= MAX_NAMED_SIZE
}

/// The numbers a client has given. Numbers begin at 1.
pub(super) struct NameEncoder {
    numbers: HashMap<Target, u16>,
    /// The last handles seen, by their place in memory: most calls go to few endpoints.
    recent: [Option<(Target, u16)>; 4],
    limit: u16,
}

impl NameEncoder {
    pub(super) fn new(limit: u16) -> Self {
        NameEncoder {
            numbers: HashMap::new(),
            recent: [const { None }; 4],
            limit,
        }
    }

    /// How to name a target now.
    pub(super) fn name<'a>(&mut self, target: &'a Target) -> Name<'a> {
        let place = target.address() >> 5 & 3;
        if let Some((recent, number)) = &self.recent[place]
            && recent.address() == target.address()
        {
            return Name::Numbered(*number);
        }
        if let Some(number) = self.numbers.get(target) {
            self.recent[place] = Some((target.clone(), *number));
            return Name::Numbered(*number);
        }
        let known = self.numbers.len() as u16;
        let number = if known < self.limit && is_short(target) {
            known + 1
        } else {
            0
        };
        if number != 0 {
            self.numbers.insert(target.clone(), number);
        }
        Name::New {
            number,
            service: target.service(),
            endpoint: target.endpoint(),
        }
    }

    /// Forgets a name given by [`NameEncoder::name`] whose request was never queued.
    pub(super) fn forget(&mut self, target: &Target) {
        self.numbers.remove(target);
    }
}

/// The names a server was given.
pub(super) struct NameDecoder {
    targets: Vec<Option<Target>>,
    limit: u16,
}

impl NameDecoder {
    pub(super) fn new(limit: u16) -> Self {
        NameDecoder {
            targets: Vec::new(),
            limit,
        }
    }

    pub(super) fn get(&self, number: u16) -> Option<&Target> {
        self.targets.get(usize::from(number))?.as_ref()
    }

    /// Remembers a target; `false` when the number is beyond the limit.
    pub(super) fn define(&mut self, number: u16, target: &Target) -> bool {
        if number == 0 || number > self.limit || !is_short(target) {
            return false;
        }
        let index = usize::from(number);
        if self.targets.len() <= index {
            self.targets.resize(index + 1, None);
        }
        self.targets[index] = Some(target.clone());
        true
    }
}
