//! One save into a folder: the check of what is in the sandbox, then the files one after the other.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use gloo_timers::future::sleep;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetFileOptions, FileSystemWritableFileStream,
};
use wstp_messages::{Command, Problem, Reply, SaveTask, TransferId, TransferState, TransferView};
use wstp_words::phrase;

use super::Picked;
use super::files::{Target, begun_in, bytes, folder_in, free_name, is_empty_file, is_same, written};
use super::problems::{cant_write, told};

/// Files written at once.
const AT_ONCE: usize = 8;
/// Bytes of a file that are copied at once.
const PIECE: f64 = (8 << 20) as f64;
/// How often the catalogue is asked whether a check is done.
const PAUSE: Duration = Duration::from_millis(500);
/// A check that does not move for so long is not waited for any longer.
const PATIENCE_MS: f64 = 120_000.0;

/// One transfer on its way.
pub(super) struct Saving {
    pub(super) picked: Picked,
    pub(super) transfer: TransferId,
    pub(super) is_folder: bool,
}

/// The place of a saved transfer.
#[derive(Clone)]
struct Place {
    /// Name of the copy.
    name: String,
    /// The folder in which its files are.
    root: FileSystemDirectoryHandle,
    /// Whether an earlier save began there.
    began: bool,
}

/// A page of the files to save.
struct Tasks {
    tasks: Vec<SaveTask>,
    next: Option<u32>,
    name: String,
    begun_as: Option<String>,
}

/// Why a save ended.
enum Ended {
    /// A stored file is not as it was when it was verified.
    Stale,
    /// This went wrong.
    Failed(Problem),
}

impl From<Problem> for Ended {
    fn from(problem: Problem) -> Self {
        Self::Failed(problem)
    }
}

/// How far a check has come, and since when.
struct Patience {
    /// Percent, bytes verified and bytes received.
    reached: (u8, u64, u64),
    since_ms: f64,
}

impl Saving {
    /// Saves it into a folder, and gives where it is. If a stored file changed since it was verified, the transfer is
    /// verified anew, once, and the save goes on after that.
    pub(super) async fn run(&self, picked: &FileSystemDirectoryHandle) -> Result<String, Problem> {
        let mut place = None;
        for _ in 0..2 {
            match self.save(picked, &mut place).await {
                Ok(path) => return Ok(path),
                Err(Ended::Failed(problem)) => return Err(problem),
                Err(Ended::Stale) => drop(self.ask(Command::Recheck { transfer: self.transfer.clone() }).await?),
            }
        }
        Err(told(phrase!(copy_changed_again), phrase!(copy_checked_once_more)))
    }

    /// `place` is kept once it is chosen.
    async fn save(&self, picked: &FileSystemDirectoryHandle, place: &mut Option<Place>) -> Result<String, Ended> {
        let Tasks { mut tasks, mut next, name, begun_as } = self.first_tasks().await?;
        let place = match place {
            Some(place) => place.clone(),
            None => place.insert(self.place(picked, &name, begun_as.as_deref(), &tasks).await?).clone(),
        };
        let path = format!("{}/{}", picked.name(), place.name);
        self.ask(Command::SaveInto { transfer: self.transfer.clone(), name: place.name.clone() }).await?;
        if !self.is_folder {
            tasks.iter_mut().for_each(|task| task.filename.clone_from(&place.name));
        }
        loop {
            self.write(&place, tasks).await?;
            let Some(from) = next else { return Ok(path) };
            match self.tasks(from, false).await? {
                Some(page) => (tasks, next) = (page.tasks, page.next),
                None => return Err(misfit().into()),
            }
        }
    }

    /// The place to save it: that of an earlier save, or a name that nothing in the picked folder has.
    async fn place(
        &self,
        picked: &FileSystemDirectoryHandle,
        name: &str,
        begun_as: Option<&str>,
        tasks: &[SaveTask],
    ) -> Result<Place, Problem> {
        if let Some(begun) = begun_as {
            let root = match self.is_folder {
                true => begun_in(picked, begun, tasks).await,
                false => is_empty_file(picked, begun).await.then(|| picked.clone()),
            };
            if let Some(root) = root {
                return Ok(Place { name: begun.to_owned(), root, began: true });
            }
        }
        let name = free_name(picked, name).await.map_err(|error| cant_write(&error))?;
        let root = match self.is_folder {
            true => folder_in(picked, &name, true).await.map_err(|error| cant_write(&error))?,
            false => picked.clone(),
        };
        Ok(Place { name, root, began: false })
    }

    /// The first files, once every stored byte of the transfer is verified.
    async fn first_tasks(&self) -> Result<Tasks, Ended> {
        let mut patience = Patience { reached: (0, 0, 0), since_ms: now_ms() };
        loop {
            if self.picked.is_stopped.get_value() {
                return Err(stopped().into());
            }
            let is_checked = self.picked.checked.with_value(|checked| checked.contains(&self.transfer));
            let tasks = self.tasks(0, is_checked).await?;
            self.picked.going.update(|going| {
                going.iter_mut().for_each(|going| (going.bytes, going.is_checking) = (0, tasks.is_none()));
            });
            if let Some(tasks) = tasks {
                return Ok(tasks);
            }
            self.picked.checked.update_value(|checked| {
                checked.insert(self.transfer.clone());
            });
            patience.look(self.picked.view(&self.transfer))?;
            sleep(PAUSE).await;
        }
    }

    /// A page of the files; `None` while the transfer is verified anew.
    async fn tasks(&self, from: u32, is_checked: bool) -> Result<Option<Tasks>, Ended> {
        match self.ask(Command::Tasks { transfer: self.transfer.clone(), from, is_checked }).await? {
            Reply::Tasks { tasks, next, name, begun_as } => Ok(Some(Tasks { tasks, next, name, begun_as })),
            Reply::Checking => Ok(None),
            Reply::Stale => Err(Ended::Stale),
            _ => Err(misfit().into()),
        }
    }

    async fn ask(&self, command: Command) -> Result<Reply, Problem> {
        let (sender, answer) = futures_channel::oneshot::channel();
        // Nobody waits any more only when the page is closed.
        self.picked.catalogue.send(command, move |result| drop(sender.send(result)));
        answer.await.unwrap_or_else(|_| Err(told(phrase!(extension_silent), phrase!(save_to_go_on))))
    }

    /// Writes files, and has it remembered which.
    async fn write(&self, place: &Place, tasks: Vec<SaveTask>) -> Result<(), Ended> {
        let mut written = stream::iter(tasks)
            .map(|task| async move { self.write_file(place, &task).await.map(|is_beside| (task.file, is_beside)) })
            .buffer_unordered(AT_ONCE)
            .ready_chunks(AT_ONCE * 4);
        while let Some(files) = written.next().await {
            let files = files.into_iter().collect::<Result<Vec<_>, _>>()?;
            let beside = files.iter().filter(|(_, is_beside)| *is_beside).map(|(file, _)| *file).collect();
            let files = files.into_iter().map(|(file, _)| file).collect();
            self.ask(Command::Wrote { transfer: self.transfer.clone(), files, beside }).await?;
        }
        Ok(())
    }

    /// Writes one file, unless it is there. Returns whether it got a second name, because another file has its own.
    async fn write_file(&self, place: &Place, task: &SaveTask) -> Result<bool, Ended> {
        let bytes = bytes(task).await.ok().flatten().ok_or(Ended::Stale)?;
        match Target::find(&place.root, &task.filename, &bytes, place.began)
            .await
            .map_err(|error| cant_write(&error))?
        {
            Target::There => {
                self.advance(bytes.size());
                Ok(false)
            }
            Target::Free(folder, name) => {
                self.create(&folder, &name, &bytes).await?;
                Ok(false)
            }
            Target::Taken(folder, name) => {
                let name = free_name(&folder, &name).await.map_err(|error| cant_write(&error))?;
                self.create(&folder, &name, &bytes).await?;
                Ok(true)
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
            _ => Err(told(phrase!(written_differs, name), phrase!(written_differs_advice))),
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
                Ok(_) => self.picked.is_stopped.get_value().then(stopped),
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

impl Patience {
    /// Fails when a check will not end by itself, or does not move for long.
    fn look(&mut self, view: Option<TransferView>) -> Result<(), Problem> {
        // The catalogue tells of a transfer that is gone.
        let Some(view) = view else { return Ok(()) };
        let percent = if let TransferState::Checking { percent } = view.state { percent } else { 0 };
        let reached = (percent, view.verified, view.received);
        if reached != self.reached {
            *self = Self { reached, since_ms: now_ms() };
        }
        match view.state {
            TransferState::Paused | TransferState::Cancelled => {
                Err(told(phrase!(check_stopped, &view.name), phrase!(check_stopped_advice)))
            }
            TransferState::Failed => Err(view.problem.unwrap_or_else(|| stuck(&view.name))),
            _ if now_ms() - self.since_ms < PATIENCE_MS => Ok(()),
            // The row's problem says what keeps it from being fetched again.
            TransferState::Waiting { .. } => Err(view.problem.unwrap_or_else(|| stuck(&view.name))),
            _ => Err(stuck(&view.name)),
        }
    }
}

fn now_ms() -> f64 {
    window().performance().map_or(0.0, |performance| performance.now())
}

fn stopped() -> Problem {
    told(phrase!(saving_stopped), phrase!(save_to_go_on))
}

fn stuck(name: &str) -> Problem {
    told(phrase!(check_stuck, name), phrase!(check_stuck_advice))
}

fn misfit() -> Problem {
    told(phrase!(odd_answer), phrase!(reload_then_save))
}
