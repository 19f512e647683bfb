//! The real extension in a real Chromium against the real server: one binary, because each binary is linked anew.

mod ancestor;
mod away;
mod beside_others;
mod changes;
mod clocks;
mod connections;
mod folders;
mod full_disk;
mod hostile;
mod interruptions;
mod late_replies;
mod limits;
mod main_job;
mod mirrors;
mod names;
mod order;
mod queue;
mod saving;
mod screenshots;
mod sizes;
mod slow_line;
mod storage;
mod survival;
mod torture;
mod transfers;
mod wrong_servers;
