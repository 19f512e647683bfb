//! The shared files as the administration page browses them.

use serde_json::{Value, json};
use wstp_testkit::{LONG, until};

use super::Site;

/// A folder as the page is told it, and how the server answers.
async fn folder(site: &Site, cookie: &str, query: &str) -> (u16, Value) {
    let reply = site.get(&format!("api/files?{query}"), &[cookie]).await;
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

/// Name, kind, size and whether the hashes are known, of each entry.
fn facts(page: &Value) -> Vec<Value> {
    let fact = |entry: &Value| json!([entry["name"], entry["kind"], entry["size"], entry["is_hashed"]]);
    page["entries"].as_array().unwrap().iter().map(fact).collect()
}

#[tokio::test]
async fn an_administrator_browses_all_shares_and_sees_what_is_hashed() {
    let site = Site::new("").await;
    site.folder.file("one/deeper/a+b & c%.txt", b"12345");
    let cookie = site.begin().await;
    let (status, root) = folder(&site, &cookie, "path=").await;
    assert_eq!(status, 200, "{root}");
    assert_eq!(facts(&root), [json!(["films", "Folder", 0, false]), json!(["music", "Folder", 0, false])]);
    let (_, films) = folder(&site, &cookie, "path=films").await;
    let film = |is_hashed| json!(["film", "File", 4 << 20, is_hashed]);
    assert_eq!(facts(&films), [json!(["deeper", "Folder", 0, false]), film(false)]);
    assert!(films["entries"][1]["modified_ms"].as_i64().is_some_and(|ms| ms > 1_600_000_000_000), "{films}");
    let (_, deeper) = folder(&site, &cookie, "path=films%2Fdeeper").await;
    assert_eq!(facts(&deeper), [json!(["a+b & c%.txt", "File", 5, false])]);
    // A client that opens a file has it hashed.
    let mut client = site.server.connect().await;
    client.open_file("films/film").await.unwrap();
    until("the film's hashes to be known", LONG, async || {
        Ok((facts(&folder(&site, &cookie, "path=films").await.1)[1] == film(true)).then_some(()))
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_long_folder_comes_by_pages_and_each_entry_once() {
    let site = Site::new("").await;
    let names: Vec<_> = (0..450).map(|number| format!("n{number:03}")).collect();
    for name in &names {
        site.folder.file(&format!("two/many/{name}"), b"");
    }
    let cookie = site.begin().await;
    let (mut seen, mut query) = (Vec::new(), "path=music/many".to_owned());
    for pages in 1.. {
        let (status, page) = folder(&site, &cookie, &query).await;
        assert_eq!(status, 200, "{page}");
        seen.extend(facts(&page).iter().map(|fact| fact[0].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        assert!(pages < 4, "450 entries take three pages");
        query = format!(
            "path=music/many&from={}",
            percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC)
        );
    }
    assert_eq!(seen, names);
}

#[tokio::test]
async fn nobody_else_browses_and_no_path_leads_out() {
    let site = Site::new("").await;
    let cookie = site.begin().await;
    for fields in [&[][..], &["Cookie: wstp-admin-1=0000"]] {
        assert_eq!(site.get("api/files?path=films", fields).await.status, 401);
    }
    for (path, status) in [
        ("..", 400),
        ("films/..", 400),
        ("films%2F..%2Ftwo", 400),
        ("%2Fetc", 400),
        ("films%00", 400),
        ("one", 404),
        ("films/film", 404),
        ("films&from=%00%00", 400),
        ("nothing", 404),
    ] {
        let (answered, words) = folder(&site, &cookie, &format!("path={path}")).await;
        assert_eq!(answered, status, "{path}: {words}");
        assert!(words["error"].as_str().is_some_and(|words| !words.is_empty()), "{path}: {words}");
    }
}
