//! Does the work that the engine's folder transfer wants, and reports the results to it.

use wstp_engine::StoreError;
use wstp_engine::folder::{FileId, FolderOutput, KeepReply, Listed, LookReply};

use super::FolderLoop;
use super::ending::failure_of;
use crate::carrier::Carrier;
use crate::exit::{Code, Failure};
use crate::folder_store::{Found, Reply, Request, Saved, ToCheck, ToKeep, ToLook};
use crate::words::{engine_problem, left_out_clause};

impl FolderLoop<'_> {
    /// Does the engine's work until none is left.
    pub(super) fn perform(&mut self) {
        let mut to_keep = Vec::new();
        while let Some(output) = self.folder.poll_output() {
            match output {
                FolderOutput::Connect { connection } => {
                    let socket = Carrier::connect(self.source.address.clone(), connection, self.happenings.clone());
                    self.socket = Some((connection, socket));
                }
                FolderOutput::Send { connection, message } => {
                    let sent = self.socket.as_ref().map(|(_, socket)| socket.send(&message));
                    if sent.is_some_and(|sent| sent.is_err()) {
                        self.socket = None;
                        self.folder.handle_closed(self.now(), connection);
                    }
                }
                FolderOutput::Disconnect { .. } => self.socket = None,
                FolderOutput::Listed { folder, entries } => {
                    self.layout.add(folder, &entries);
                    let around = self.folder.folder_path(folder);
                    entries.into_iter().for_each(|entry| self.left_out(around.as_str(), entry));
                }
                FolderOutput::Look { files } => self.look(files),
                FolderOutput::Check { file, stored } => {
                    let Some(place) = self.layout.file(file) else { continue };
                    let modified_ms = self.folder.file(file).and_then(|known| known.modified_ms);
                    self.disk.push(Request::Check(ToCheck { file, place, stored, modified_ms }));
                }
                FolderOutput::Keep { file, root, data, modified_ms, .. } => {
                    let Some(place) = self.layout.file(file) else { continue };
                    to_keep.push(ToKeep { file, place, root, modified_ms, data });
                }
                FolderOutput::Commit { record } => self.disk.push(Request::Commit { record }),
                FolderOutput::Fetch { file, path, .. } => {
                    let Some(place) = self.layout.file(file) else { continue };
                    self.fetching.start(file, path, &place);
                }
                FolderOutput::StopFetch { file } => self.fetching.stop(file),
                FolderOutput::FileFailed { file, problem } => {
                    let place = self.layout.file(file).map(|place| self.output.join(place));
                    self.failed(
                        place.as_deref(),
                        engine_problem(&problem, &self.source.address.host_and_port()),
                        Some(file),
                    );
                }
                FolderOutput::FolderFailed { folder, problem } => {
                    let place = self.layout.folder(folder).map(|place| self.output.join(place));
                    self.failed(place.as_deref(), failure_of(&problem, &self.source.address.host_and_port()), None);
                }
            }
        }
        if !to_keep.is_empty() {
            self.disk.push(Request::Keep(to_keep));
        }
    }

    fn look(&mut self, files: Vec<FileId>) {
        let to_look = |file| {
            let (place, known) = (self.layout.file(file)?, self.folder.file(file)?);
            Some(ToLook { file, place, size: known.size, modified_ms: known.modified_ms })
        };
        self.disk.push(Request::Look(files.into_iter().filter_map(to_look).collect()));
    }

    fn left_out(&mut self, around: &str, entry: Listed) {
        let Listed::LeftOut { name, reason } = entry else { return };
        let path = if around.is_empty() { name } else { format!("{around}/{name}") };
        self.cx.reporter.skipped(&path, &left_out_clause(reason));
        if reason.is_missed() {
            self.sum.fail(Code::NotFound);
        }
    }

    pub(super) fn stored(&mut self, reply: Reply) {
        let now = self.now();
        match reply {
            Reply::Looked(files) => {
                for (file, found) in files {
                    if let Found::Same(saved) = &found {
                        self.saved(saved, true);
                    }
                    self.folder.handle_looked(now, file, found.reply());
                }
            }
            Reply::Checked(ToCheck { file, stored, .. }, found) => {
                if !matches!(found, LookReply::Same { .. }) {
                    self.sum.take_back(stored.size);
                }
                self.folder.handle_looked(now, file, found);
            }
            Reply::Kept(files) => files.into_iter().for_each(|(file, result)| self.kept(file, result)),
            Reply::Committed(Ok(saved)) => {
                saved.iter().for_each(|saved| self.saved(saved, false));
                self.folder.handle_committed(now, Ok(()));
            }
            Reply::Committed(Err(failure)) => {
                self.disk_failure = Some(failure);
                self.folder.handle_committed(now, Err(StoreError::Io));
            }
        }
    }

    fn kept(&mut self, file: FileId, result: Result<Option<Saved>, Failure>) {
        let reply = match result {
            Ok(was_there) => {
                was_there.into_iter().for_each(|saved| self.saved(&saved, true));
                KeepReply::Done(None)
            }
            Err(failure) if failure.ends_all => {
                self.disk_failure = Some(failure);
                KeepReply::Failed(StoreError::Full)
            }
            Err(failure) => {
                let target = self.layout.file(file).map(|place| self.output.join(place));
                self.failed(target.as_deref(), failure, Some(file));
                KeepReply::FileFailed(StoreError::Io)
            }
        };
        self.folder.handle_kept(self.now(), file, reply);
    }

    fn saved(&mut self, saved: &Saved, already: bool) {
        self.sum.add(saved.size);
        self.cx.reporter.saved(&saved.target.to_string_lossy(), saved.size, &saved.root, already);
    }
}
