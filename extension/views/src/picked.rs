//! Saves a complete transfer into a folder that the user picks. No other extension has a say in that, and Chrome asks
//! once, not for each file.
//!
//! Only a page may ask for a folder, and may write while it is open. So this page writes, a few files at a time, and
//! the catalogue remembers the written ones. Each file is copied in pieces and its size is compared at the end.

use futures_util::StreamExt;
use futures_util::stream;
use leptos::ev::{beforeunload, pagehide};
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Blob, File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions,
    FileSystemGetFileOptions, FileSystemWritableFileStream,
};
use wstp_messages::{Command, Problem, Reply, SavePlace, SaveTask, Stamp, TransferId, TransferView};

use crate::catalogue::Catalogue;

/// Files written at once.
const AT_ONCE: usize = 8;
/// Bytes of a file that are copied at once.
const PIECE: f64 = (8 << 20) as f64;
/// Names tried for a folder or file whose name is taken.
const MAX_NAMES: u32 = 1000;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = window, js_name = showDirectoryPicker, catch)]
    async fn show_directory_picker(options: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["navigator", "storage"], js_name = getDirectory, catch)]
    async fn sandbox() -> Result<JsValue, JsValue>;
}

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
    /// The save in progress, if any.
    pub going: RwSignal<Option<Progress>>,
    /// The problem to show, if any.
    pub problem: RwSignal<Option<Problem>>,
    is_stopped: StoredValue<bool>,
}

impl Picked {
    /// Nothing is saved yet.
    pub fn new(catalogue: Catalogue) -> Self {
        let picked = Self {
            catalogue,
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
                // The user thought better of it.
                Ok(None) => return,
                Err(error) => return self.problem.set(Some(cant_write(&error))),
            };
            let progress = Progress { transfer: transfer.clone(), name, folder: folder.name(), bytes: 0 };
            self.is_stopped.set_value(false);
            self.going.set(Some(progress));
            let result = Saving { picked: self, transfer: transfer.clone(), is_folder }.run(&folder).await;
            self.going.set(None);
            if !self.is_stopped.get_value() {
                self.problem.set(result.as_ref().err().cloned());
                self.catalogue.send(Command::WroteAll { transfer, result }, |_| {});
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
        let begun = match &begun_as {
            Some(begun) if self.is_folder => {
                folder_in(picked, begun, false).await.ok().map(|found| (begun.clone(), found))
            }
            _ => None,
        };
        let goes_on = begun.is_some();
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
        let transfer = self.transfer.clone();
        self.picked.ask(Command::SaveInto { transfer, name: name.clone(), goes_on }).await?;
        if !goes_on {
            // The page must write here the files that were saved elsewhere, too.
            (tasks, next, ..) = self.tasks(0).await?;
        }
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
            .map(|task| async move { self.write_file(root, &task).await.map(|()| task.file) })
            .buffer_unordered(AT_ONCE)
            .ready_chunks(AT_ONCE * 4);
        while let Some(files) = written.next().await {
            let files = files.into_iter().collect::<Result<Vec<_>, _>>()?;
            self.picked.ask(Command::Wrote { transfer: self.transfer.clone(), files }).await?;
        }
        Ok(())
    }

    async fn write_file(&self, root: &FileSystemDirectoryHandle, task: &SaveTask) -> Result<(), Problem> {
        let Some(bytes) = bytes(task).await.ok().flatten() else {
            self.picked.ask(Command::Recheck { transfer: self.transfer.clone() }).await?;
            return Err(told(
                "The browser's copy of this may have changed since it was verified.",
                "It is checked now, and wrong parts are fetched again. Save it again when it is complete.",
            ));
        };
        let file = create(root, &task.filename).await.map_err(|error| cant_write(&error))?;
        self.copy(&bytes, &file).await
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
            self.picked.going.update(|going| going.iter_mut().for_each(|going| going.bytes += (end - at) as u64));
            at = end;
        }
        JsFuture::from(writer.close()).await.map_err(|error| cant_write(&error))?;
        let written: Result<File, _> = JsFuture::from(file.get_file()).await.and_then(JsCast::dyn_into);
        match written {
            Ok(written) if written.size() == bytes.size() => Ok(()),
            _ => Err(told(
                format!("{} is not on the disk as it was written.", file.name()),
                "Another program may have changed it. Save it again.",
            )),
        }
    }
}

/// Has the user pick a folder.
async fn pick() -> Result<Option<FileSystemDirectoryHandle>, JsValue> {
    let options = js_sys::Object::new();
    for (name, value) in [("id", "save"), ("mode", "readwrite"), ("startIn", "downloads")] {
        js_sys::Reflect::set(&options, &name.into(), &value.into())?;
    }
    match show_directory_picker(&options).await {
        Ok(folder) => Ok(Some(folder.dyn_into()?)),
        Err(error) if error_name(&error) == "AbortError" => Ok(None),
        Err(error) => Err(error),
    }
}

/// Bytes to write for a task, from the sandbox; `None` where what is stored there is not what was verified.
async fn bytes(task: &SaveTask) -> Result<Option<Blob>, JsValue> {
    let mut folder: FileSystemDirectoryHandle = sandbox().await?.dyn_into()?;
    let names: Vec<&str> = match &task.place {
        SavePlace::Own(names) => names.iter().map(String::as_str).collect(),
        SavePlace::Packed { .. } => vec!["pack"],
    };
    let (name, folders) = names.split_last().ok_or("a file has a name")?;
    for name in ["transfers", &task.transfer.0].iter().chain(folders) {
        folder = JsFuture::from(folder.get_directory_handle(name)).await?.dyn_into()?;
    }
    let entry: FileSystemFileHandle = JsFuture::from(folder.get_file_handle(name)).await?.dyn_into()?;
    let file: File = JsFuture::from(entry.get_file()).await?.dyn_into()?;
    if Stamp::new(file.size(), file.last_modified()) != task.stamp {
        return Ok(None);
    }
    match task.place {
        SavePlace::Own(_) => Ok(Some(file.into())),
        SavePlace::Packed { offset, size } => {
            file.slice_with_f64_and_f64(offset as f64, (offset + size) as f64).map(Some)
        }
    }
}

/// A name that nothing in the folder has.
async fn free_name(folder: &FileSystemDirectoryHandle, name: &str) -> Result<String, JsValue> {
    for number in 0..MAX_NAMES {
        let candidate = if number == 0 { name.to_owned() } else { numbered(name, number) };
        let found = JsFuture::from(folder.get_file_handle(&candidate)).await;
        match found.map_err(|error| error_name(&error)).as_ref().map_err(String::as_str) {
            Err("NotFoundError") => return Ok(candidate),
            // A folder has the name.
            Ok(_) | Err("TypeMismatchError") => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err("there are too many of this name".into())
}

fn numbered(name: &str, number: u32) -> String {
    let dot = name.rfind('.').filter(|dot| *dot > 0).unwrap_or(name.len());
    format!("{} ({number}){}", &name[..dot], &name[dot..])
}

async fn folder_in(
    folder: &FileSystemDirectoryHandle,
    name: &str,
    is_new: bool,
) -> Result<FileSystemDirectoryHandle, JsValue> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(is_new);
    JsFuture::from(folder.get_directory_handle_with_options(name, &options)).await?.dyn_into()
}

/// The file at a path, with the folders on the way.
async fn create(root: &FileSystemDirectoryHandle, path: &str) -> Result<FileSystemFileHandle, JsValue> {
    let (folders, name) = path.rsplit_once('/').map_or(("", path), |(folders, name)| (folders, name));
    let mut folder = root.clone();
    for name in folders.split('/').filter(|name| !name.is_empty()) {
        folder = folder_in(&folder, name, true).await?;
    }
    let options = FileSystemGetFileOptions::new();
    options.set_create(true);
    JsFuture::from(folder.get_file_handle_with_options(name, &options)).await?.dyn_into()
}

fn cant_write(error: &JsValue) -> Problem {
    match error_name(error).as_str() {
        "QuotaExceededError" => told("There is no space left on the disk.", "Make room, then save it again."),
        "NotAllowedError" => {
            told("Chrome may not write into that folder.", "Save it again and allow that, or pick another folder.")
        }
        name => told(
            format!("A file could not be written ({name})."),
            "Save it again, or pick another folder. The copy in the browser is kept.",
        ),
    }
}

fn error_name(error: &JsValue) -> String {
    js_sys::Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default()
}

fn told(what: impl Into<String>, advice: &str) -> Problem {
    Problem { what: what.into(), advice: advice.to_owned() }
}
