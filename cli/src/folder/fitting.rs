//! Whether everything in the folder fits on the disk.

use wstp_engine::folder::{FileId, FileState};

use super::FolderLoop;
use crate::exit::Failure;
use crate::partial::Partial;
use crate::room::{Room, taken};

impl FolderLoop<'_> {
    /// Checks whether the missing files fit. If no file can be here yet, it checks the listed ones; otherwise it waits
    /// until everything is known.
    ///
    /// # Errors
    ///
    /// In words, when they do not.
    pub(super) fn check_room(&mut self) -> Result<(), Failure> {
        let progress = self.folder.progress();
        if progress.bytes == self.looked_at || !(progress.walked || self.is_new) || self.ending.is_some() {
            return Ok(());
        }
        self.looked_at = progress.bytes;
        let Some(room) = Room::at(&self.output).filter(|_| !self.cx.options.anyway) else { return Ok(()) };
        let missing = progress.bytes.saturating_sub(progress.bytes_done + progress.bytes_failed);
        // Most folders fit by far; then no file is looked at.
        let at_most = missing.saturating_add(room.for_files(progress.files));
        room.check(at_most, &self.output).or_else(|_| room.check(self.needed(&room, progress.files), &self.output))
    }

    /// Bytes that the unfinished files still need, without those of them that are already here.
    fn needed(&self, room: &Room, files: u32) -> u64 {
        let needed_by = |id| {
            let file =
                self.folder.file(id).filter(|file| !matches!(file.state, FileState::Done | FileState::Failed))?;
            // A file that was just listed has no place yet.
            let target = self.layout.file(id).map(|place| self.output.join(place));
            // A file that differs stays until its new version is whole. With --update both need room.
            let in_place = target.as_deref().filter(|_| !self.cx.options.update).map_or(0, taken);
            let partial = target.as_deref().map_or(0, Partial::taken_of);
            Some(room.for_file(file.size, in_place.max(partial)))
        };
        (0..files).filter_map(|index| needed_by(FileId(index))).fold(0, u64::saturating_add)
    }
}
