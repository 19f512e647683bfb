//! A file that changes under a transfer: whether the user wants it as it is now, and whether the change is on record.

/// The relation of the file that is fetched to the one that is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Update {
    /// It is the wanted one.
    #[default]
    Settled,
    /// It changed, and the user wants it as it is now.
    Wanted,
    /// The changed file was taken, and that is not on record. Until it is, nothing of the file before is overwritten.
    Unrecorded,
    /// The file that was taken changed in turn before that was on record, and the user wants it as it is now.
    WantedAgain,
}

impl Update {
    /// Whether the origin's next description of the file replaces the one before.
    pub(super) const fn is_wanted(self) -> bool {
        matches!(self, Self::Wanted | Self::WantedAgain)
    }

    /// Whether a change has to be put on record before anything is overwritten.
    pub(super) const fn is_unrecorded(self) -> bool {
        matches!(self, Self::Unrecorded | Self::WantedAgain)
    }

    /// The user wants the file as it is now.
    pub(super) const fn want(&mut self) {
        *self = if self.is_unrecorded() { Self::WantedAgain } else { Self::Wanted };
    }

    /// The changed file takes the place of the one before.
    pub(super) const fn take(&mut self) {
        *self = Self::Unrecorded;
    }

    /// The origin said which file it is now.
    pub(super) const fn settle(&mut self) {
        *self = if self.is_unrecorded() { Self::Unrecorded } else { Self::Settled };
    }

    /// An identity of the file is on record; whether a change was waiting for that.
    pub(super) const fn record(&mut self) -> bool {
        let waited = self.is_unrecorded();
        *self = if self.is_wanted() { Self::Wanted } else { Self::Settled };
        waited
    }
}

#[cfg(test)]
mod tests {
    use super::Update;

    #[test]
    fn a_change_is_wanted_taken_and_recorded() {
        let mut update = Update::default();
        update.want();
        assert!(update.is_wanted() && !update.is_unrecorded());
        update.take();
        update.settle();
        assert!(!update.is_wanted() && update.is_unrecorded());
        assert!(update.record() && !update.record());
        assert_eq!(update, Update::Settled);
    }

    #[test]
    fn a_change_of_a_changed_file_does_not_forget_what_is_unrecorded() {
        let mut update = Update::Unrecorded;
        update.want();
        assert!(update.is_wanted() && update.is_unrecorded());
        assert!(update.record());
        assert_eq!(update, Update::Wanted);
        update.settle();
        assert_eq!(update, Update::Settled);
    }
}
