//! Saves a complete transfer into a folder that the user picks. No other extension has a say in that, and Chrome asks
//! once, not for each file.
//!
//! Only a page may ask for a folder, and may write while it is open. So this page writes, a few files at a time, and
//! the catalogue remembers the written ones.
//!
//! Invariants: no file that has bytes is overwritten. A file counts as written only after the page read it back and
//! compared it with the browser's copy. A save into a folder that an earlier one began compares the files there, and
//! writes only the missing ones.

use futures_util::StreamExt;
use futures_util::stream;
use leptos::ev::{beforeunload, pagehide};
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Blob, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetFileOptions, FileSystemWritableFileStream,
};
use wstp_messages::{Command, Problem, Reply, SaveTask, TransferId, TransferView};
use wstp_ui::toast::Toasts;

use self::files::{Target, begun_in, bytes, error_name, folder_in, free_name, is_same, pick, written};
use crate::catalogue::Catalogue;

mod files;

/// Files written at once.
const AT_ONCE: usize = 8;
/// Bytes of a file that are copied at once.
const PIECE: f64 = (8 << 20) as f64;
/// Chrome tells alike that the user closed its window, did not allow the folder, or has no window to choose in.
const NONE_PICKED: &str = "Nothing was saved: no folder was chosen, or Chrome was not allowed to use it.";

/// A save by this page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The transfer.
    pub transfer: TransferId,
    /// Name of the transfer.
    pub name: String,
    /// The folder that the user picked.
    pub folder: String,
    /// Bytes written.
    pub bytes: u64,
}

/// Saves by this page; cheap to copy.
#[derive(Clone, Copy)]
pub struct Picked {
    catalogue: Catalogue,
    toasts: Toasts,
    /// The save in progress, if any.
    pub going: RwSignal<Option<Progress>>,
    /// The problem to show, if any.
    pub problem: RwSignal<Option<Problem>>,
    is_stopped: StoredValue<bool>,
}

impl Picked {
    /// Nothing is saved yet.
    pub fn new(catalogue: Catalogue, toasts: Toasts) -> Self {
        let picked = Self {
            catalogue,
            toasts,
            going: RwSignal::new(None),
            problem: RwSignal::new(None),
            is_stopped: StoredValue::new(false),
        };
        let closing = window_event_listener(beforeunload, move |event| {
            if picked.going.with_untracked(Option::is_some) {
                event.prevent_default();
            }
        });
        let closed = window_event_listener(pagehide, move |_| picked.stop());
        on_cleanup(move || {
            closing.remove();
            closed.remove();
        });
        picked
    }

    /// Asks the user for a folder and saves a transfer into it. The user must have clicked just now.
    pub fn save(self, view: &TransferView) {
        if self.going.with_untracked(Option::is_some) {
            return self.problem.set(Some(told("Another download is being saved.", "Wait until it is done.")));
        }
        self.problem.set(None);
        let (transfer, name, is_folder) = (view.id.clone(), view.name.clone(), view.folder.is_some());
        spawn_local(async move {
            let folder = match pick().await {
                Ok(Some(folder)) => folder,
                Ok(None) => return self.toasts.show(NONE_PICKED.to_owned(), None),
                Err(error) => return self.problem.set(Some(cant_ask(&error))),
            };
            let progress = Progress { transfer: transfer.clone(), name, folder: folder.name(), bytes: 0 };
            self.is_stopped.set_value(false);
            self.going.set(Some(progress));
            let result = Saving { picked: self, transfer: transfer.clone(), is_folder }.run(&folder).await;
            self.going.set(None);
            if !self.is_stopped.get_value() {
                let problem = result.as_ref().err().cloned();
                // The row tells the problem, unless the save never began.
                self.catalogue.send(Command::WroteAll { transfer, result }, move |heard| {
                    if heard.is_err() {
                        self.problem.set(problem);
                    }
                });
            }
        });
    }

    /// Stops what is being saved.
    pub fn stop(self) {
        if let Some(progress) = self.going.get_untracked() {
            self.is_stopped.set_value(true);
            self.catalogue.send(Command::Cancel { transfer: progress.transfer }, |_| {});
        }
    }

    async fn ask(self, command: Command) -> Result<Reply, Problem> {
        let (sender, answer) = futures_channel::oneshot::channel();
        // Nobody waits any more only when the page is closed.
        self.catalogue.send(command, move |result| drop(sender.send(result)));
        answer.await.unwrap_or_else(|_| Err(told("The extension does not answer.", "Save it again to go on.")))
    }
}

/// One transfer on its way.
struct Saving {
    picked: Picked,
    transfer: TransferId,
    is_folder: bool,
}

impl Saving {
    /// Saves it into a folder, and gives where it is.
    async fn run(&self, picked: &FileSystemDirectoryHandle) -> Result<String, Problem> {
        let (mut tasks, mut next, name, begun_as) = self.tasks(0).await?;
        let begun = match begun_as {
            Some(begun) if self.is_folder => begun_in(picked, &begun, &tasks).await.map(|root| (begun, root)),
            _ => None,
        };
        let (name, root) = match begun {
            Some(begun) => begun,
            None => {
                let name = free_name(picked, &name).await.map_err(|error| cant_write(&error))?;
                let root = match self.is_folder {
                    true => folder_in(picked, &name, true).await.map_err(|error| cant_write(&error))?,
                    false => picked.clone(),
                };
                (name, root)
            }
        };
        let place = format!("{}/{name}", picked.name());
        self.picked.ask(Command::SaveInto { transfer: self.transfer.clone(), name: name.clone() }).await?;
        if !self.is_folder {
            tasks.iter_mut().for_each(|task| task.filename.clone_from(&name));
        }
        loop {
            self.write(&root, tasks).await?;
            let Some(from) = next else { return Ok(place) };
            (tasks, next, ..) = self.tasks(from).await?;
        }
    }

    async fn tasks(&self, from: u32) -> Result<(Vec<SaveTask>, Option<u32>, String, Option<String>), Problem> {
        match self.picked.ask(Command::Tasks { transfer: self.transfer.clone(), from }).await? {
            Reply::Tasks { tasks, next, name, begun_as } => Ok((tasks, next, name, begun_as)),
            _ => Err(told("The extension gave an answer that does not fit.", "Reload this page, then save it again.")),
        }
    }

    /// Writes files, and has it remembered which.
    async fn write(&self, root: &FileSystemDirectoryHandle, tasks: Vec<SaveTask>) -> Result<(), Problem> {
        let mut written = stream::iter(tasks)
            .map(|task| async move { self.write_file(root, &task).await.map(|is_beside| (task.file, is_beside)) })
            .buffer_unordered(AT_ONCE)
            .ready_chunks(AT_ONCE * 4);
        while let Some(files) = written.next().await {
            let files = files.into_iter().collect::<Result<Vec<_>, _>>()?;
            let beside = files.iter().filter(|(_, is_beside)| *is_beside).map(|(file, _)| *file).collect();
            let files = files.into_iter().map(|(file, _)| file).collect();
            self.picked.ask(Command::Wrote { transfer: self.transfer.clone(), files, beside }).await?;
        }
        Ok(())
    }

    /// Writes one file, unless it is there. Returns whether it got a second name, because another file has its own.
    async fn write_file(&self, root: &FileSystemDirectoryHandle, task: &SaveTask) -> Result<bool, Problem> {
        let Some(bytes) = bytes(task).await.ok().flatten() else {
            self.picked.ask(Command::Recheck { transfer: self.transfer.clone() }).await?;
            return Err(told(
                "The browser's copy of this may have changed since it was verified.",
                "It is checked now, and wrong parts are fetched again. Save it again when it is complete.",
            ));
        };
        match Target::find(root, &task.filename, &bytes).await.map_err(|error| cant_write(&error))? {
            Target::There => {
                self.advance(bytes.size());
                Ok(false)
            }
            Target::Free(folder, name) => self.create(&folder, &name, &bytes).await.map(|()| false),
            Target::Taken(folder, name) => {
                let name = free_name(&folder, &name).await.map_err(|error| cant_write(&error))?;
                self.create(&folder, &name, &bytes).await.map(|()| true)
            }
        }
    }

    /// Writes a file that is not there yet. Nothing is left of it when that fails.
    async fn create(&self, folder: &FileSystemDirectoryHandle, name: &str, bytes: &Blob) -> Result<(), Problem> {
        let options = FileSystemGetFileOptions::new();
        options.set_create(true);
        let file = JsFuture::from(folder.get_file_handle_with_options(name, &options)).await;
        let file: FileSystemFileHandle = file.and_then(JsCast::dyn_into).map_err(|error| cant_write(&error))?;
        if let Err(problem) = self.copy(bytes, &file).await {
            // Bytes reach the file only when all are written. Until then it is empty.
            let _ = JsFuture::from(folder.remove_entry(name)).await;
            return Err(problem);
        }
        match written(&file).await {
            Ok(written) if is_same(bytes, &written).await.unwrap_or(false) => Ok(()),
            _ => Err(told(
                format!("{name} is not on the disk as it was written: another program changed it, or the disk failed."),
                "It was left as it is. The copy in the browser is kept and right: save it again, or pick another folder.",
            )),
        }
    }

    async fn copy(&self, bytes: &Blob, file: &FileSystemFileHandle) -> Result<(), Problem> {
        let writer = JsFuture::from(file.create_writable()).await.and_then(JsCast::dyn_into);
        let writer: FileSystemWritableFileStream = writer.map_err(|error| cant_write(&error))?;
        let mut at = 0.0;
        while at < bytes.size() {
            let end = (at + PIECE).min(bytes.size());
            let piece = bytes.slice_with_f64_and_f64(at, end).map_err(|error| cant_write(&error))?;
            let written = async { JsFuture::from(writer.write_with_blob(&piece)?).await }.await;
            let ended = match written {
                Err(error) => Some(cant_write(&error)),
                Ok(_) => {
                    self.picked.is_stopped.get_value().then(|| told("Saving was stopped.", "Save it again to go on."))
                }
            };
            if let Some(problem) = ended {
                // The abort discards the bytes already written to this file.
                let _ = JsFuture::from(writer.abort()).await;
                return Err(problem);
            }
            self.advance(end - at);
            at = end;
        }
        JsFuture::from(writer.close()).await.map(drop).map_err(|error| cant_write(&error))
    }

    fn advance(&self, bytes: f64) {
        self.picked.going.update(|going| going.iter_mut().for_each(|going| going.bytes += bytes as u64));
    }
}

fn cant_ask(error: &JsValue) -> Problem {
    match error_name(error).as_str() {
        "NotAllowedError" => told(
            "Chrome already asks for a folder.",
            "Answer there, or press the button again in a moment. Nothing was saved yet.",
        ),
        name => told(
            format!("Chrome does not ask for a folder ({name})."),
            "Press the button again. The copy in the browser is kept.",
        ),
    }
}

fn cant_write(error: &JsValue) -> Problem {
    const KEPT: &str = "The copy in the browser is kept.";
    let advised = |what: &str, advice: &str| told(what, &format!("{advice} {KEPT}"));
    match error_name(error).as_str() {
        "QuotaExceededError" => advised(
            "There is no space left on the disk of that folder.",
            "Make room or pick another folder, and save it again.",
        ),
        // Chrome has this one name for a full disk, a failed one, and one that was taken away.
        "NotReadableError" => advised(
            "A file could not be written. The disk of that folder is full, or failed.",
            "Make room or pick another folder, and save it again.",
        ),
        "NoModificationAllowedError" => advised(
            "That folder takes no new files: it is read-only, or another program locks it.",
            "Pick another folder.",
        ),
        "NotAllowedError" => {
            advised("Chrome may not write into that folder.", "Save it again and allow that, or pick another folder.")
        }
        "NotFoundError" => advised("That folder was moved or deleted.", "Save it again into a folder that is there."),
        name => advised(&format!("A file could not be written ({name})."), "Save it again, or pick another folder."),
    }
}

fn told(what: impl Into<String>, advice: &str) -> Problem {
    Problem { what: what.into(), advice: advice.to_owned() }
}
