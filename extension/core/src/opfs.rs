//! The origin private file system: folders, and files that this context alone holds open.
//!
//! A file is closed when it is dropped. After a worker was ended the browser gives its files free a little late, so
//! opening one is tried for a while.

use std::time::Duration;

use gloo_timers::future::sleep;
use js_sys::{AsyncIterator, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions, FileSystemGetFileOptions,
    FileSystemReadWriteOptions, FileSystemRemoveOptions, FileSystemSyncAccessHandle,
};
use wstp_client::store::BlockFile;
use wstp_engine::StoreError;
use wstp_messages::Stamp;

/// How long a file may stay in the hands of a worker that was ended.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes copied or read at once.
const PIECE: u64 = 8 << 20;
/// The longest file that ext4 holds; others hold longer ones. The browser only says that it failed.
const LONGEST: u64 = 16 << 40;
const PAUSE: Duration = Duration::from_millis(100);

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["navigator", "storage"], js_name = getDirectory, catch)]
    async fn root() -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = ["navigator", "storage"], js_name = estimate, catch)]
    async fn estimate() -> Result<JsValue, JsValue>;
}

/// Bytes free on the disk where the browser keeps its files, if it says.
pub async fn free() -> Option<u64> {
    let estimate = estimate().await.ok()?;
    let figure = |name: &str| Reflect::get(&estimate, &name.into()).ok()?.as_f64();
    // With unlimited storage the quota is what is used and what is free.
    Some((figure("quota")? - figure("usage")?).max(0.0) as u64)
}

/// A folder.
pub struct Folder(FileSystemDirectoryHandle);

impl Folder {
    /// Opens a folder by the names along its path, creating what is missing. A file in its way, which only a damaged
    /// disk puts there, is removed.
    ///
    /// # Errors
    ///
    /// When the browser has no storage for this profile.
    pub async fn open(path: &[&str]) -> Result<Self, JsValue> {
        let mut folder = Self(root().await?.dyn_into()?);
        let create = FileSystemGetDirectoryOptions::new();
        create.set_create(true);
        for name in path {
            let attempt = async || JsFuture::from(folder.0.get_directory_handle_with_options(name, &create)).await;
            folder = Self(folder.unless_in_the_way(name, attempt).await?.dyn_into()?);
        }
        Ok(folder)
    }

    /// Opens a folder that is there.
    ///
    /// # Errors
    ///
    /// When it is not, or when it is no folder.
    pub async fn find(path: &[&str]) -> Result<Self, JsValue> {
        let mut folder: FileSystemDirectoryHandle = root().await?.dyn_into()?;
        for name in path {
            folder = JsFuture::from(folder.get_directory_handle(name)).await?.dyn_into()?;
        }
        Ok(Self(folder))
    }

    /// Whether there is a file of this name in the folder to which these names lead.
    ///
    /// # Errors
    ///
    /// The error that the browser returns.
    pub async fn has_file(path: &[&str], name: &str) -> Result<bool, JsValue> {
        let found = async { JsFuture::from(Self::find(path).await?.0.get_file_handle(name)).await };
        match found.await {
            Ok(_) => Ok(true),
            Err(error) if ["NotFoundError", "TypeMismatchError"].contains(&error_name(&error).as_str()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tries something with a name, and once more without what stands there and is of the wrong kind.
    async fn unless_in_the_way(
        &self,
        name: &str,
        attempt: impl AsyncFn() -> Result<JsValue, JsValue>,
    ) -> Result<JsValue, JsValue> {
        match attempt().await {
            Err(error) if error_name(&error) == "TypeMismatchError" => {
                web_sys::console::warn_1(&format!("removing what stands in the way of {name}").into());
                self.remove(name).await?;
                attempt().await
            }
            result => result,
        }
    }

    /// The names in it.
    ///
    /// # Errors
    ///
    /// The browser's error.
    pub async fn names(&self) -> Result<Vec<String>, JsValue> {
        let names: AsyncIterator = self.0.keys();
        let mut found = Vec::new();
        loop {
            let next = JsFuture::from(names.next()?).await?;
            match Reflect::get(&next, &"value".into())?.as_string() {
                Some(name) => found.push(name),
                None => return Ok(found),
            }
        }
    }

    /// Removes what has this name and everything in it. It is no error if nothing has.
    ///
    /// # Errors
    ///
    /// When it is still in use after a while.
    pub async fn remove(&self, name: &str) -> Result<(), JsValue> {
        let recursive = FileSystemRemoveOptions::new();
        recursive.set_recursive(true);
        let removed =
            patiently(async || JsFuture::from(self.0.remove_entry_with_options(name, &recursive)).await).await;
        match removed {
            Err(error) if error_name(&error) != "NotFoundError" => Err(error),
            _ => Ok(()),
        }
    }

    /// Opens a file for this context alone, creating it if it is missing. A folder in its way, which only a damaged
    /// disk puts there, is removed.
    ///
    /// # Errors
    ///
    /// When another context holds it open and does not let go.
    pub async fn file(&self, name: &str) -> Result<File, JsValue> {
        let create = FileSystemGetFileOptions::new();
        create.set_create(true);
        let attempt = async || JsFuture::from(self.0.get_file_handle_with_options(name, &create)).await;
        let entry: FileSystemFileHandle = self.unless_in_the_way(name, attempt).await?.dyn_into()?;
        // Chromium never answers for an entry that is collected before: it lives until then.
        let handle = patiently(async || JsFuture::from(entry.create_sync_access_handle()).await).await?;
        Ok(File(handle.dyn_into()?))
    }

    /// A file as something that can be read elsewhere; nobody may have it open.
    ///
    /// # Errors
    ///
    /// When it is not there.
    pub async fn snapshot(&self, name: &str) -> Result<web_sys::File, JsValue> {
        let entry: FileSystemFileHandle = JsFuture::from(self.0.get_file_handle(name)).await?.dyn_into()?;
        JsFuture::from(entry.get_file()).await?.dyn_into()
    }

    /// A file's size and time of change.
    ///
    /// # Errors
    ///
    /// When it is not there.
    pub async fn stamp(&self, name: &str) -> Result<Stamp, JsValue> {
        self.snapshot(name).await.map(|file| stamp(&file))
    }
}

/// A file's size and time of change when it was opened.
pub fn stamp(file: &web_sys::File) -> Stamp {
    Stamp::new(file.size(), file.last_modified())
}

/// Whether another context has the file open.
pub fn is_in_use(error: &JsValue) -> bool {
    error_name(error) == "NoModificationAllowedError"
}

/// Everything in a file that is not open here.
///
/// # Errors
///
/// When it changes meanwhile, or storage fails.
pub async fn bytes(file: &web_sys::File) -> Result<Vec<u8>, JsValue> {
    Ok(Uint8Array::new(&JsFuture::from(file.array_buffer()).await?).to_vec())
}

async fn patiently(mut attempt: impl AsyncFnMut() -> Result<JsValue, JsValue>) -> Result<JsValue, JsValue> {
    let mut waited = Duration::ZERO;
    loop {
        match attempt().await {
            Err(error) if is_in_use(&error) && waited < PATIENCE => {
                sleep(PAUSE).await;
                waited += PAUSE;
            }
            result => return result,
        }
    }
}

/// An open file.
pub struct File(FileSystemSyncAccessHandle);

impl BlockFile for File {
    type Error = StoreError;

    fn kind(error: &StoreError) -> StoreError {
        *error
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StoreError> {
        let mut done = 0;
        while done < buffer.len() {
            let options = at(offset + done as u64);
            let read = self.0.read_with_u8_array_and_options(&mut buffer[done..], &options).map_err(store_error)?;
            match read as usize {
                0 => return Err(StoreError::Missing),
                read => done += read,
            }
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let mut done = 0;
        while done < bytes.len() {
            let options = at(offset + done as u64);
            let written = self.0.write_with_u8_array_and_options(&bytes[done..], &options).map_err(store_error)?;
            match written as usize {
                0 => return Err(StoreError::Full),
                written => done += written,
            }
        }
        Ok(())
    }

    fn truncate(&self, length: u64) -> Result<(), StoreError> {
        self.0.truncate_with_f64(length as f64).map_err(|error| match store_error(error) {
            StoreError::Io if length > LONGEST => StoreError::TooLarge,
            other => other,
        })
    }

    fn size(&self) -> Result<u64, StoreError> {
        Ok(self.0.get_size().map_err(store_error)? as u64)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.0.flush().map_err(store_error)
    }
}

impl File {
    /// Copies everything to the beginning of another file, as long as `goes_on` says so. It copies a piece at a time,
    /// so that the context stays awake. Gives whether it came to the end.
    ///
    /// # Errors
    ///
    /// An error of storage.
    pub async fn copy_to(&self, other: &Self, goes_on: impl Fn() -> bool) -> Result<bool, StoreError> {
        let length = self.size()?;
        let write = |offset, piece: &[u8]| {
            other.write_at(offset, piece)?;
            Ok(goes_on())
        };
        let is_whole = self.read_through(length, write).await?;
        if is_whole { other.truncate(length).map(|()| true) } else { Ok(false) }
    }

    /// Hands the first `length` bytes to `take`, piece by piece with their offsets, as long as `take` says to go on.
    /// Gives whether it came to the end. The context does other things between two pieces.
    ///
    /// # Errors
    ///
    /// The error of storage or of `take`; [`StoreError::Missing`] when the file ends before.
    pub async fn read_through(
        &self,
        length: u64,
        mut take: impl FnMut(u64, &[u8]) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let mut buffer = vec![0; PIECE.min(length) as usize];
        let mut offset = 0;
        while offset < length {
            let piece = &mut buffer[..PIECE.min(length - offset) as usize];
            self.read_at(offset, piece)?;
            let goes_on = take(offset, piece)?;
            offset += piece.len() as u64;
            sleep(Duration::ZERO).await;
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Everything in it.
    ///
    /// # Errors
    ///
    /// An error of storage; [`StoreError::Full`] when it is longer than `most`.
    pub fn read_all(&self, most: u64) -> Result<Vec<u8>, StoreError> {
        let length = self.size()?;
        if length > most {
            return Err(StoreError::Full);
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| StoreError::Full)?];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn at(offset: u64) -> FileSystemReadWriteOptions {
    let options = FileSystemReadWriteOptions::new();
    options.set_at(offset as f64);
    options
}

/// An error of storage, for the console.
pub fn failed(error: StoreError) -> JsValue {
    JsError::new(&format!("the sandbox failed: {error:?}")).into()
}

/// The meaning of storage's exception.
pub fn store_error(error: JsValue) -> StoreError {
    match error_name(&error).as_str() {
        "QuotaExceededError" => StoreError::Full,
        "NotFoundError" => StoreError::Missing,
        _ => {
            web_sys::console::error_1(&error);
            StoreError::Io
        }
    }
}

fn error_name(error: &JsValue) -> String {
    Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default()
}

#[cfg(all(test, target_arch = "wasm32"))]
pub mod tests {
    use super::*;
    use js_sys::{Array, Function, Object};
    use wasm_bindgen_test::wasm_bindgen_test;

    /// All calls on files from now on, in order: each handle and the name of its method.
    pub struct Calls(Array);

    impl Calls {
        /// Has the browser's own handles say what is done with them.
        pub fn record() -> Self {
            let script = "const calls = [];
                const handle = FileSystemSyncAccessHandle.prototype;
                for (const name of ['write', 'flush', 'truncate']) {
                    const done = handle[name];
                    handle[name] = function (...given) { calls.push([this, name]); return done.apply(this, given); };
                }
                return calls;";
            Self(Function::new_no_args(script).call0(&JsValue::NULL).unwrap().unchecked_into())
        }

        /// Forgets what was done so far.
        pub fn take(&self) {
            self.0.set_length(0);
        }

        /// Fails unless each of the `first` calls was made, and before `then` was.
        pub fn assert_before(&self, first: &[(&File, &str)], then: (&File, &str)) {
            let then = self.position(then).expect("it was done");
            for call in first {
                assert!(self.position(*call).is_some_and(|position| position < then), "no {} before", call.1);
            }
        }

        fn position(&self, (file, name): (&File, &str)) -> Option<usize> {
            self.0.iter().position(|call| {
                let call: Array = call.unchecked_into();
                Object::is(&call.get(0), &file.0) && call.get(1).as_string().as_deref() == Some(name)
            })
        }
    }

    async fn folder(name: &str) -> Folder {
        let tests = Folder::open(&["tests"]).await.unwrap();
        tests.remove(name).await.unwrap();
        Folder::open(&["tests", name]).await.unwrap()
    }

    #[wasm_bindgen_test]
    async fn what_was_written_is_there_when_the_file_is_opened_again() {
        let folder = folder("again").await;
        let file = folder.file("data").await.unwrap();
        file.write_at(100_000, b"end").unwrap();
        file.write_at(0, b"begin").unwrap();
        file.flush().unwrap();
        drop(file);
        let file = folder.file("data").await.unwrap();
        let mut read = [1; 8];
        file.read_at(0, &mut read).unwrap();
        assert_eq!(&read, b"begin\0\0\0");
        assert_eq!(file.size(), Ok(100_003));
        assert_eq!(&file.read_all(100_003).unwrap()[100_000..], b"end");
    }

    #[wasm_bindgen_test]
    async fn a_file_can_be_cut_and_nothing_is_read_past_its_end() {
        let file = folder("cut").await.file("data").await.unwrap();
        file.write_at(0, &[7; 1000]).unwrap();
        file.truncate(10).unwrap();
        assert_eq!(file.read_at(5, &mut [0; 6]), Err(StoreError::Missing));
        assert_eq!(file.read_all(9), Err(StoreError::Full));
        file.truncate(12).unwrap();
        assert_eq!(file.read_all(12).unwrap(), [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0]);
    }

    #[wasm_bindgen_test]
    async fn a_file_in_other_hands_is_had_when_they_let_go() {
        let folder = folder("hands").await;
        let first = folder.file("data").await.unwrap();
        first.write_at(0, b"mine").unwrap();
        spawn_later(move || drop(first));
        assert_eq!(folder.file("data").await.unwrap().read_all(4).unwrap(), b"mine");
    }

    #[wasm_bindgen_test]
    async fn what_is_of_the_wrong_kind_is_no_obstacle() {
        let tests = folder("kinds").await;
        drop(Folder::open(&["tests", "kinds", "data", "inner"]).await.unwrap());
        tests.file("data").await.unwrap().write_at(0, b"mine").unwrap();
        assert!(Folder::has_file(&["tests", "kinds"], "data").await.unwrap());
        assert!(!Folder::has_file(&["tests", "kinds", "data"], "inner").await.unwrap());
        assert!(!Folder::has_file(&["tests", "kinds"], "other").await.unwrap());
        assert!(Folder::find(&["tests", "kinds", "data"]).await.is_err());
        assert!(Folder::open(&["tests", "kinds", "data"]).await.unwrap().names().await.unwrap().is_empty());
    }

    fn spawn_later(act: impl FnOnce() + 'static) {
        gloo_timers::callback::Timeout::new(1, act).forget();
    }

    #[wasm_bindgen_test]
    async fn what_was_removed_is_gone_and_removing_it_again_is_no_error() {
        let folder = folder("removed").await;
        drop(folder.file("data").await.unwrap());
        assert_eq!(folder.names().await.unwrap(), ["data"]);
        folder.remove("data").await.unwrap();
        folder.remove("data").await.unwrap();
        assert!(folder.names().await.unwrap().is_empty());
        assert!(folder.snapshot("data").await.is_err());
    }
}
