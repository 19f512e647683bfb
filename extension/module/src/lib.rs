//! All of the extension as one WebAssembly module. It adds nothing: what the contexts without a face and the views share would be there
//! twice in two modules.

pub use {wstp_extension as core, wstp_views as views};
