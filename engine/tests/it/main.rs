//! Whole transfers and whole folders in virtual time. They are one binary, because each binary is linked anew.

mod agenda;
mod compressing;
mod folder;
mod seeds;
mod simulation;
