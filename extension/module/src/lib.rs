//! All of the extension as one WebAssembly module. It adds nothing. Two modules would each contain the code that the
//! views share with the other contexts.

pub use {wstp_extension as core, wstp_views as views};
