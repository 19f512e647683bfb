//! `wstp-server user` and `wstp-server token`. A running server follows what they change within a second.

use std::io::{self, BufRead, IsTerminal, Write};
use std::num::NonZeroU64;
use std::process::ExitCode;

use wstp_server::accounts::{
    Accounts, Book, BookError, PasswordHash, Role, Token, TokenHash, TokenId, User, UserName, now,
};
use wstp_server::secret::Secret;
use wstp_server::settings::Settings;

use crate::args::{AccountArgs, TokenCommand, UserCommand, default_state_dir};
use crate::{FAILED, fail};

/// Fewest characters in a password.
const SHORTEST: usize = 8;
/// Most bytes that are read for a password.
const LONGEST: u64 = 1024;
/// Seconds in a day.
const DAY: u64 = 86_400;

/// Why a command fails, in words.
struct Failed(String);

/// `wstp-server user`. Returns the exit status.
pub fn user(args: AccountArgs<UserCommand>) -> ExitCode {
    finish(book(&args).and_then(|book| match args.command {
        UserCommand::Add { name, role, only, rate } => {
            let role = Role::from(role);
            if role == Role::Limited && only.is_empty() {
                return Err(Failed("a limited user may read nothing without --only PATH".to_owned()));
            }
            if book.accounts().users.contains_key(&name) {
                return Err(there_is(&name));
            }
            let password = hash(&new_password(&name)?)?;
            let rate = rate.map(|kib| kib.saturating_mul(NonZeroU64::new(1024).expect("1024 is not 0")));
            let is_first = book.update(|accounts: &mut Accounts| {
                if accounts.users.contains_key(&name) {
                    return Err(there_is(&name));
                }
                accounts.users.insert(name.clone(), User { role, password, only, rate });
                Ok(accounts.users.len() == 1)
            })?;
            let note = if is_first { "From now on everybody has to log in, except for public shares.\n" } else { "" };
            Ok(format!("{name} may log in now.\n{note}"))
        }
        UserCommand::Passwd { name } => {
            if !book.accounts().users.contains_key(&name) {
                return Err(nobody(&name));
            }
            let password = hash(&new_password(&name)?)?;
            book.update(|accounts| {
                accounts.users.get_mut(&name).ok_or_else(|| nobody(&name))?.password = password;
                accounts.remove_tokens_of(&name, true);
                Ok::<_, Failed>(format!("{name} has another password now, and is logged out everywhere.\n"))
            })
        }
        UserCommand::Rm { name } => book.update(|accounts| {
            accounts.users.remove(&name).ok_or_else(|| nobody(&name))?;
            accounts.remove_tokens_of(&name, false);
            let none_left = accounts.users.is_empty();
            let note = if none_left {
                "No user is left. A server that runs shows only public shares until it is started again.\n"
            } else {
                ""
            };
            Ok(format!("{name} is removed, with all tokens.\n{note}"))
        }),
        UserCommand::List => {
            let line = |(name, user): (&UserName, &User)| {
                let only: Vec<_> = user.only.iter().map(|path| path.as_str()).collect();
                let rate = user.rate.map(|rate| format!("\t{} KiB/s", rate.get() / 1024)).unwrap_or_default();
                format!(
                    "{name}\t{}\t{}{rate}\n",
                    user.role,
                    if only.is_empty() { "-".to_owned() } else { only.join(",") }
                )
            };
            Ok(book.accounts().users.iter().map(line).collect())
        }
    }))
}

/// `wstp-server token`. Returns the exit status.
pub fn token(args: AccountArgs<TokenCommand>) -> ExitCode {
    finish(book(&args).and_then(|book| match args.command {
        TokenCommand::Add { user, only, days } => {
            let random = TokenId::random().ok_or_else(|| Failed("the system has no randomness".to_owned()))?;
            let (id, secret) = random;
            let (created, hash) = (now(), TokenHash::of(secret.expose()));
            let expires = Some(created + u64::from(days) * DAY);
            book.update(|accounts| {
                if let Some(user) = user.as_ref().filter(|user| !accounts.users.contains_key(user)) {
                    return Err(nobody(user));
                }
                accounts.tokens.insert(id.clone(), Token { hash, user, only, created, expires, login: false });
                Ok(())
            })?;
            eprintln!("Token {} for {days} days. It is shown this once:", id.as_str());
            Ok(format!("{}\n", secret.expose()))
        }
        TokenCommand::Rm { id } => book.update(|accounts| {
            let removed = accounts.tokens.remove(&id);
            removed.ok_or_else(|| Failed(format!("there is no token {}", id.as_str())))?;
            Ok(format!("Token {} is revoked.\n", id.as_str()))
        }),
        TokenCommand::List => {
            let now = now();
            let line = |(id, token): (&TokenId, &Token)| {
                let user = token.user.as_ref().map_or("-", |user| user.as_str());
                let only: Vec<_> = token.only.iter().map(|path| path.as_str()).collect();
                let only = if only.is_empty() { "-".to_owned() } else { only.join(",") };
                let left = match token.expires {
                    Some(expires) if expires <= now => "over".to_owned(),
                    Some(expires) => format!("{} days left", (expires - now).div_ceil(DAY)),
                    None => "-".to_owned(),
                };
                let kind = if token.login { "login" } else { "token" };
                format!("{}\t{kind}\t{user}\t{only}\t{left}\n", id.as_str())
            };
            Ok(book.accounts().tokens.iter().map(line).collect())
        }
    }))
}

fn book<C: clap::Subcommand>(args: &AccountArgs<C>) -> Result<Book, Failed> {
    let configured = match (&args.state_dir, &args.config) {
        (Some(folder), _) => Some(folder.clone()),
        (None, Some(file)) => Settings::read(file).map_err(|error| Failed(error.to_string()))?.state_dir,
        (None, None) => None,
    };
    let folder = configured.or_else(default_state_dir).ok_or(BookError::NoFolder)?;
    Ok(Book::open(&folder)?)
}

/// Asks twice at a terminal. Otherwise takes the first line of the standard input.
fn new_password(name: &UserName) -> Result<Secret, Failed> {
    let password = if io::stdin().is_terminal() {
        let ask = |words: String| rpassword::prompt_password(words).map(Secret::new);
        let password = ask(format!("Password for {name}: "))?;
        if ask("The same again: ".to_owned())? != password {
            return Err(Failed("the two differ; nothing was changed".to_owned()));
        }
        password
    } else {
        let mut line = zeroize::Zeroizing::new(String::new());
        io::Read::take(io::stdin().lock(), LONGEST).read_line(&mut line)?;
        Secret::new(line.trim_end_matches(['\r', '\n']))
    };
    if password.expose().chars().count() < SHORTEST {
        return Err(Failed(format!("a password has {SHORTEST} characters at least; nothing was changed")));
    }
    Ok(password)
}

fn hash(password: &Secret) -> Result<PasswordHash, Failed> {
    PasswordHash::of(password).map_err(Failed)
}

fn there_is(name: &UserName) -> Failed {
    Failed(format!("there is a user {name} already; change the password with `wstp-server user passwd {name}`"))
}

fn nobody(name: &UserName) -> Failed {
    Failed(format!("there is no user {name}; `wstp-server user list` shows all"))
}

fn finish(result: Result<String, Failed>) -> ExitCode {
    let printed = result.and_then(|words| Ok(io::stdout().write_all(words.as_bytes())?));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(words)) => fail(FAILED, &words),
    }
}

impl From<BookError> for Failed {
    fn from(error: BookError) -> Self {
        Self(error.to_string())
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}
