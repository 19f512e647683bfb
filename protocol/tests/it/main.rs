//! Tests of the wire format against its document, its vectors and its promises. They are one binary, because each
//! binary is linked anew.

mod document;
mod fuzz;
mod properties;
mod support;
mod vectors;
