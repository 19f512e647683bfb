//! Names of a server, made safe for a disk. The server is a stranger: whatever it calls an entry, a safe name is one
//! plain name in its folder.
//!
//! There is one table of characters and of reserved names. A front end adds by a [`Policy`] what its own way to the
//! disk demands.

mod reserved;
mod same;

use wstp_protocol::spelling;

pub use reserved::is_device;
pub use same::{fold, key};

use wstp_text::strangers::{is_joiner, is_noncharacter, is_unsafe};

/// Longest extension in bytes, with its dot, that stays when a name is cut.
const LONGEST_EXTENSION: usize = 32;
/// Bytes that a repair may add to a name after it was cut.
const ROOM: usize = 2;

/// The demands of one way to the disk on a name, beyond those of every disk.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Longest name in bytes of UTF-8, more than 40. No name has more UTF-16 units than bytes, so disks that count
    /// those are served too.
    pub longest: usize,
    /// Characters that may not come first.
    pub never_first: &'static [char],
    /// Whether the two joiners of scripts and emoji stay.
    pub keeps_joiners: bool,
    /// Whether the Windows shell's own files, and extensions that it acts upon, are refused.
    pub refuses_shell_names: bool,
    /// How the front end's own folders end. They begin with a dot, and no server may make one.
    pub own_suffix: Option<&'static str>,
}

impl Policy {
    /// Whether the disk holds the name as it is and takes it for nothing else.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        let is_refused = |c: char| is_forbidden(c) || (is_joiner(c) && !self.keeps_joiners);
        !name.is_empty()
            && name.len() <= self.longest
            && !name.contains(is_refused)
            && !name.starts_with(self.never_first)
            && !name.ends_with(['.', ' '])
            && self.shell_extension(name).is_none()
            && !self.is_reserved(name)
    }

    /// The name, changed just enough to be allowed. A name that is allowed stays.
    #[must_use]
    pub fn safe(&self, name: &str) -> String {
        if self.allows(name) {
            return name.to_owned();
        }
        let kept = name.chars().filter(|c| self.keeps_joiners || !is_joiner(*c));
        let replaced: String = kept.map(|c| if is_forbidden(c) { '_' } else { c }).collect();
        let shortened = shorten(if replaced.is_empty() { "_" } else { &replaced }, self.longest - ROOM);
        let mut safe = self.replace_ends(shortened);
        if let Some(extension) = self.shell_extension(&safe) {
            safe.insert(safe.len() - extension.len(), '_');
        }
        if self.is_reserved(&safe) { format!("_{safe}") } else { safe }
    }

    /// A safe name with a number, for a second entry of that name.
    #[must_use]
    pub fn numbered(&self, name: &str, number: u64) -> String {
        self.safe(&numbered(name, number, self.longest - ROOM))
    }

    /// Whether it looks like a folder of the front end's own.
    #[must_use]
    pub fn is_own(&self, name: &str) -> bool {
        self.own_suffix.is_some_and(|suffix| name.starts_with('.') && key(name).ends_with(suffix))
    }

    fn is_reserved(&self, name: &str) -> bool {
        is_device(name) || (self.refuses_shell_names && reserved::is_shell_file(name)) || self.is_own(name)
    }

    fn shell_extension<'a>(&self, name: &'a str) -> Option<&'a str> {
        reserved::shell_extension(name).filter(|_| self.refuses_shell_names)
    }

    /// Replaces dots and spaces at the end, and what may not come first.
    fn replace_ends(&self, name: String) -> String {
        let body = name.trim_start_matches(self.never_first);
        let front = name[..name.len() - body.len()].chars().count();
        let end = body.trim_end_matches(['.', ' ']);
        format!("{}{end}{}", "_".repeat(front), "_".repeat(body.len() - end.len()))
    }
}

/// Whether some file system takes the character for something else than a part of a name, or a person is misled by it.
#[must_use]
pub fn is_forbidden(c: char) -> bool {
    matches!(c, '"' | '*' | '/' | ':' | '<' | '>' | '?' | '\\' | '|')
        || (c.is_whitespace() && c != ' ')
        || is_unsafe(c)
        || is_noncharacter(c)
        || spelling::is_stand_in(c)
}

/// Cuts a name to `longest` bytes, before its extension if that is short.
#[must_use]
pub fn shorten(name: &str, longest: usize) -> String {
    if name.len() <= longest {
        return name.to_owned();
    }
    let extension = name.rfind('.').map_or("", |dot| &name[dot..]);
    let extension = if extension.len() <= LONGEST_EXTENSION { extension } else { "" };
    let stem = &name[..name.len() - extension.len()];
    format!("{}{extension}", &stem[..stem.floor_char_boundary(longest - extension.len())])
}

/// The name with a number before its extension, in no more than `longest` bytes.
#[must_use]
pub fn numbered(name: &str, number: u64, longest: usize) -> String {
    let dot = name.rfind('.').filter(|dot| *dot > 0 && name.len() - dot <= LONGEST_EXTENSION).unwrap_or(name.len());
    let (stem, extension) = name.split_at(dot);
    let suffix = format!(" ({number}){extension}");
    let room = longest.saturating_sub(suffix.len());
    format!("{}{suffix}", &stem[..stem.floor_char_boundary(room)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLAIN: Policy = Policy {
        longest: 255,
        never_first: &[],
        keeps_joiners: true,
        refuses_shell_names: false,
        own_suffix: Some(".wstp"),
    };
    const STRICT: Policy = Policy {
        longest: 100,
        never_first: &['.', ' ', '~'],
        keeps_joiners: false,
        refuses_shell_names: true,
        own_suffix: None,
    };

    #[test]
    fn ordinary_names_stay() {
        for name in [
            "a.txt",
            "b (1).tar.gz",
            "naïve — “quoted”.pdf",
            "日本語.txt",
            "שלום.txt",
            "'single'.txt",
            "$HOME.txt",
            "a~b",
            "company.txt",
            "com10.txt",
            "auxiliary",
            "a.wstp",
        ] {
            assert_eq!([PLAIN.safe(name), STRICT.safe(name)], [name, name]);
        }
        for name in [".profile", "~root", "..a", "👩\u{200d}🚀.png", "desktop.ini", "shortcut.LNK"] {
            assert_eq!(PLAIN.safe(name), name);
        }
        assert_eq!(STRICT.safe(".a.wstp"), "_a.wstp");
    }

    #[test]
    fn troublesome_names_are_changed_just_enough() {
        for (name, safe) in [
            ("", "_"),
            ("/etc/passwd", "_etc_passwd"),
            ("C:\\evil", "C__evil"),
            ("<img src=x onerror=alert(1)>", "_img src=x onerror=alert(1)_"),
            ("a:b|c?\"*.txt", "a_b_c___.txt"),
            ("a\0b", "a_b"),
            ("new\nline\u{7f}", "new_line_"),
            ("\u{1b}[2J", "_[2J"),
            ("line\u{2028}end\u{2029}s", "line_end_s"),
            ("em\u{202a}bed", "em_bed"),
            ("evil\u{202e}fdp.exe", "evil_fdp.exe"),
            ("no\u{a0}break", "no_break"),
            ("odd\u{fdd0}\u{1fffe}", "odd__"),
            ("caf\u{efe9}", "caf_"),
            ("trailing. .", "trailing___"),
            ("NUL", "_NUL"),
            ("con.txt", "_con.txt"),
            ("Com1.tar.gz", "_Com1.tar.gz"),
            ("lpt².x", "_lpt².x"),
            ("aux .x", "_aux .x"),
            ("CONOUT$", "_CONOUT$"),
        ] {
            assert_eq!([PLAIN.safe(name), STRICT.safe(name)], [safe, safe], "{name:?}");
        }
        for (name, plain, strict) in [
            (".", "_", "_"),
            ("..", "__", "__"),
            ("../evil", ".._evil", "___evil"),
            (".hidden", ".hidden", "_hidden"),
            (".a.bin.wstp", "_.a.bin.wstp", "_a.bin.wstp"),
            ("~root", "~root", "_root"),
            ("\u{200d}", "\u{200d}", "_"),
            ("👩\u{200d}🚀.png", "👩\u{200d}🚀.png", "👩🚀.png"),
            ("desktop.ini", "desktop.ini", "_desktop.ini"),
            ("shortcut.LNK", "shortcut.LNK", "shortcut._LNK"),
            ("con.lnk", "_con.lnk", "_con._lnk"),
            ("x.{20D04FE0-3AEA}", "x.{20D04FE0-3AEA}", "x._{20D04FE0-3AEA}"),
        ] {
            assert_eq!([PLAIN.safe(name), STRICT.safe(name)], [plain, strict], "{name:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let name = format!("{}.tar", "é".repeat(500));
        for policy in [PLAIN, STRICT] {
            let safe = policy.safe(&name);
            assert!(policy.allows(&safe) && safe.len() > policy.longest - 5 && safe.ends_with("é.tar"), "{safe}");
        }
    }

    #[test]
    fn a_second_one_gets_a_number_before_its_extension() {
        assert_eq!(numbered("a.txt", 2, 255), "a (2).txt");
        assert_eq!(numbered(".profile", 2, 255), ".profile (2)");
        assert_eq!(numbered(&"x".repeat(255), 10, 255).len(), 255);
        assert_eq!(STRICT.numbered("CON", 2), "CON (2)");
    }

    proptest! {
        #[test]
        fn whatever_the_server_calls_it_a_safe_name_is_allowed_and_stays(
            name in "(\\PC|[\\x00-\\x1f./~ ]){0,130}|(\\.|\\.\\.|con|NUL|com[0-9¹]|lpt3|aux|\\.x\\.wstp|desktop|a)( |\\.|\\.txt|/|\\.lnk|\\.ini|\\.\\{x\\})?",
            number in 2_u64..2000,
        ) {
            for policy in [PLAIN, STRICT] {
                let safe = policy.safe(&name);
                prop_assert!(policy.allows(&safe), "{:?}", safe);
                prop_assert!(!safe.contains(['/', '\\', '\0']) && !matches!(&*safe, "." | ".."));
                prop_assert!(safe.encode_utf16().count() <= policy.longest);
                prop_assert!(policy.allows(&policy.numbered(&name, number)));
            }
        }
    }
}
