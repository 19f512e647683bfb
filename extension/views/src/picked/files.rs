//! Files in the sandbox, and in a folder that the user picked.

use js_sys::Uint8Array;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, File, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions};
use wstp_messages::{SavePlace, SaveTask, Stamp};

/// Names tried for a folder or file whose name is taken.
const MAX_NAMES: u32 = 1000;
/// Bytes of two files that are read and compared at once.
const COMPARED: f64 = (1 << 20) as f64;
/// Ending of the file in which Chromium gathers the bytes of a file until it is closed.
const GATHERED: &str = ".crswap";
/// Files of a transfer that tell whether a folder is the one of an earlier save.
const TELLING: usize = 16;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = window, js_name = showDirectoryPicker, catch)]
    async fn show_directory_picker(options: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["navigator", "storage"], js_name = getDirectory, catch)]
    async fn sandbox() -> Result<JsValue, JsValue>;
}

/// The thing at the place of a file.
pub(super) enum Target {
    /// The file itself.
    There,
    /// Nothing, or a file without bytes: the name to write in this folder.
    Free(FileSystemDirectoryHandle, String),
    /// Something else, which may be the user's.
    Taken(FileSystemDirectoryHandle, String),
}

impl Target {
    /// Looks at a path, and makes the folders on the way. If an earlier save of ours `began`, it also removes the
    /// bytes that Chromium gathered for a file and did not put into it.
    pub(super) async fn find(
        root: &FileSystemDirectoryHandle,
        path: &str,
        bytes: &Blob,
        began: bool,
    ) -> Result<Self, JsValue> {
        let (folder, name) = place(root, path, true).await?;
        let file = match JsFuture::from(folder.get_file_handle(&name)).await {
            Ok(file) => file.dyn_into()?,
            Err(error) => {
                return match error_name(&error).as_str() {
                    "NotFoundError" => Ok(Self::Free(folder, name)),
                    "TypeMismatchError" => Ok(Self::Taken(folder, name)),
                    _ => Err(error),
                };
            }
        };
        let found = written(&file).await?;
        if is_same(bytes, &found).await? {
            return Ok(Self::There);
        }
        if found.size() > 0.0 {
            return Ok(Self::Taken(folder, name));
        }
        // A save that was cut off leaves it, and there is nothing in it to lose.
        if began {
            // It may not be there, and takes room only if it is.
            let _ = JsFuture::from(folder.remove_entry(&format!("{name}{GATHERED}"))).await;
        }
        Ok(Self::Free(folder, name))
    }
}

/// The folder of this name in which an earlier save wrote: one of the first files is there as it should be.
pub(super) async fn begun_in(
    picked: &FileSystemDirectoryHandle,
    name: &str,
    tasks: &[SaveTask],
) -> Option<FileSystemDirectoryHandle> {
    let root = folder_in(picked, name, false).await.ok()?;
    for task in tasks.iter().take(TELLING) {
        let bytes = bytes(task).await.ok().flatten().filter(|bytes| bytes.size() > 0.0);
        if let Some(bytes) = bytes
            && begins_alike(&root, &task.filename, &bytes).await.unwrap_or(false)
        {
            return Some(root);
        }
    }
    None
}

/// Whether the file of this name has no bytes. A save that was cut off leaves one.
pub(super) async fn is_empty_file(folder: &FileSystemDirectoryHandle, name: &str) -> bool {
    let size = async {
        let file = JsFuture::from(folder.get_file_handle(name)).await?.dyn_into()?;
        Ok::<_, JsValue>(written(&file).await?.size())
    };
    size.await.is_ok_and(|size| size == 0.0)
}

/// Whether the file at a path has the size and the first bytes that it should have. All of it is compared later.
async fn begins_alike(root: &FileSystemDirectoryHandle, path: &str, bytes: &Blob) -> Result<bool, JsValue> {
    let (folder, name) = place(root, path, false).await?;
    let file = JsFuture::from(folder.get_file_handle(&name)).await?.dyn_into()?;
    let (found, end) = (written(&file).await?, COMPARED.min(bytes.size()));
    Ok(found.size() == bytes.size() && read(bytes, 0.0, end).await? == read(&found, 0.0, end).await?)
}

/// The folder and the name of a path. The folders on the way are made if that is wanted.
async fn place(
    root: &FileSystemDirectoryHandle,
    path: &str,
    is_new: bool,
) -> Result<(FileSystemDirectoryHandle, String), JsValue> {
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut folder = root.clone();
    for name in folders.split('/').filter(|name| !name.is_empty()) {
        folder = folder_in(&folder, name, is_new).await?;
    }
    Ok((folder, name.to_owned()))
}

/// A file as it is now.
pub(super) async fn written(file: &FileSystemFileHandle) -> Result<File, JsValue> {
    JsFuture::from(file.get_file()).await?.dyn_into()
}

/// Whether both have the same bytes: both are read.
pub(super) async fn is_same(one: &Blob, other: &Blob) -> Result<bool, JsValue> {
    let size = one.size();
    let mut at = 0.0;
    while size == other.size() && at < size {
        let end = (at + COMPARED).min(size);
        if read(one, at, end).await? != read(other, at, end).await? {
            return Ok(false);
        }
        at = end;
    }
    Ok(size == other.size())
}

async fn read(blob: &Blob, from: f64, to: f64) -> Result<Vec<u8>, JsValue> {
    let buffer = JsFuture::from(blob.slice_with_f64_and_f64(from, to)?.array_buffer()).await?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// Has the user pick a folder.
pub(super) async fn pick() -> Result<Option<FileSystemDirectoryHandle>, JsValue> {
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
pub(super) async fn bytes(task: &SaveTask) -> Result<Option<Blob>, JsValue> {
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
pub(super) async fn free_name(folder: &FileSystemDirectoryHandle, name: &str) -> Result<String, JsValue> {
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

/// A folder within a folder, made if that is wanted.
pub(super) async fn folder_in(
    folder: &FileSystemDirectoryHandle,
    name: &str,
    is_new: bool,
) -> Result<FileSystemDirectoryHandle, JsValue> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(is_new);
    JsFuture::from(folder.get_directory_handle_with_options(name, &options)).await?.dyn_into()
}

/// The kind of error, in the browser's word.
pub(super) fn error_name(error: &JsValue) -> String {
    js_sys::Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default()
}
