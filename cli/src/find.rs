//! `wstp find`: the entries beneath a folder on a server, by words of their names.

use wstp_protocol::Entry;

use crate::address::Source;
use crate::answers::Answers;
use crate::exit::{Code, Failure};
use crate::ls::{Style, print};
use crate::remote::Remote;

/// Most requests of one search. Each looks at a page of a folder at least, or for some time.
const MOST_REQUESTS: usize = 100_000;

/// Prints the paths of all hits, seen from the folder, while they are found.
///
/// # Errors
///
/// When the folder is not there, the server can't search, or it can't be reached. The code is
/// [`Code::NotFound`] when there are no hits.
pub async fn run(source: &Source, words: &str, style: Style, answers: &Answers) -> Result<Code, Failure> {
    let mut remote = Remote::connect(&source.address).await?;
    let (mut cursor, mut has_found) = (None, false);
    for _ in 0..MOST_REQUESTS {
        let reply = remote.search(source.path.clone(), words.to_owned(), cursor).await?;
        for hit in reply.hits {
            has_found = true;
            let name = hit.folder.join(&hit.entry.name).map_or(hit.entry.name.clone(), |path| path.as_str().to_owned());
            if !print(&Entry { name, ..hit.entry }, style, answers) {
                return Ok(Code::Ok);
            }
        }
        cursor = reply.next;
        if cursor.is_none() {
            return Ok(if has_found { Code::Ok } else { Code::NotFound });
        }
    }
    let what = format!("The search on {} does not end.", remote.label());
    Err(Failure::new(Code::Failed, what, "Search in one of its folders."))
}
