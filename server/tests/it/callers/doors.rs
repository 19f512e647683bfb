//! All ways of asking check the same, in every spelling of a path.

use super::*;

/// The files beneath a folder as the protocol lists them.
async fn listed(client: &mut Client, folder: &str) -> Option<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    let mut ahead = vec![at(folder)];
    while let Some(folder) = ahead.pop() {
        for entry in client.list(folder.as_str()).await.ok()? {
            let path = folder.join(&entry.name).unwrap();
            match entry.kind {
                EntryKind::Directory => ahead.push(path),
                EntryKind::File => drop(files.insert(path.as_str().to_owned())),
                _ => {}
            }
        }
    }
    Some(files)
}

/// The same as searches find them: each file is an x or a y.
async fn found(client: &mut Client, folder: &str) -> Option<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    for word in ["x", "y"] {
        files.extend(client.search(folder, word).await.ok()?.into_iter().map(|path| path.as_str().to_owned()));
    }
    Some(files)
}

/// The same as the JSON of the folders has them.
async fn in_json(served: &Served, who: Who<'_>, folder: &str) -> Option<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(folder) = ahead.pop() {
        let reply = get(served, who, "GET", &format!("/files/{folder}?json&hash")).await;
        if reply.status != 200 {
            return None;
        }
        let json: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
        for entry in json["entries"].as_array().unwrap() {
            let path =
                format!("{folder}{}{}", if folder.is_empty() { "" } else { "/" }, entry["name"].as_str().unwrap());
            match entry["kind"].as_str().unwrap() {
                "folder" => ahead.push(path),
                "file" => drop(files.insert(path)),
                _ => {}
            }
        }
    }
    Some(files)
}

/// The same as an archive has them.
async fn archived(served: &Served, who: Who<'_>, folder: &str, format: &str) -> Option<BTreeSet<String>> {
    let reply = get(served, who, "GET", &format!("/files/{folder}?{format}")).await;
    if reply.status != 200 {
        return None;
    }
    let contents = if format == "zip" { unzipped(&reply.body) } else { untarred(&reply.body) };
    let path = |name: &[u8]| {
        let (_, path) = std::str::from_utf8(name).unwrap().split_once('/').unwrap();
        if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
    };
    let files = contents.iter().filter(|(name, content)| content.as_deref() == Some(CONTENT) && !name.ends_with(b"/"));
    Some(files.map(|(name, _)| path(name)).collect())
}

#[tokio::test]
async fn all_doors_show_a_caller_the_same_files() {
    let served = serve().await;
    let music = ["music/in/out/x", "music/in/outx", "music/in/x", "music/in/y", "music/inner/x", "music/out/x"];
    for (who, folder, expected) in [
        (NOBODY, "", Some(&["films/x"][..])),
        (NOBODY, "films", Some(&["films/x"])),
        (NOBODY, "music", None),
        (NOBODY, "nothing", None),
        (ANNA, "music", Some(&music)),
        (ANNA, "secret/deep", Some(&["secret/deep/x"])),
        (LIM, "", Some(&["films/x", "music/in/x", "music/in/y"])),
        (LIM, "music", Some(&["music/in/x", "music/in/y"])),
        (LIM, "music/out", None),
        (LIM, "secret", None),
        (SCOPED, "", Some(&["music/in/x", "music/in/y"])),
        (SCOPED, "films", None),
        (SINGLE, "", Some(&["music/in/x"])),
        (SINGLE, "music/in", Some(&["music/in/x"])),
    ] {
        let expected = expected.map(|files| files.iter().map(|file| (*file).to_owned()).collect::<BTreeSet<_>>());
        let mut client = greet(&served, who.token()).await.unwrap();
        let doors = [
            listed(&mut client, folder).await,
            found(&mut client, folder).await,
            in_json(&served, who, folder).await,
            archived(&served, who, folder, "zip").await,
            archived(&served, who, folder, "tar").await,
        ];
        for (number, files) in doors.into_iter().enumerate() {
            assert_eq!(files, expected, "{who:?} {folder:?}, door {number}");
        }
    }
    served.server.stop().await;
}

/// Spellings of a way to `path`, which may be read by nobody who asks, from the folder `own`, which may be.
fn spellings(own: &str, path: &str) -> Vec<String> {
    let up = own.split('/').map(|_| "..").collect::<Vec<_>>().join("/");
    let ways = [
        path.to_owned(),
        format!("{own}/{up}/{path}"),
        format!("{own}/x/../{up}/{path}"),
        format!("./{path}"),
        format!("{own}/./{up}/{path}"),
        format!("/{path}"),
        format!("{own}//{up}//{path}"),
        format!("{own}/link/{path}"),
        format!("{own}\\{}\\{}", up.replace('/', "\\"), path.replace('/', "\\")),
        path.to_uppercase(),
        format!("{path}/"),
        format!("{path}/."),
        format!("{path}%00"),
        format!("{own}%00/../{path}"),
        format!("{path};a=b"),
        format!("{path}?x"),
        format!("{path}#x"),
        format!("files/{path}"),
        format!("{own}/.../{path}"),
        format!("{own}/..;/{up}/{path}"),
    ];
    let respelled = |way: &String| {
        let encode = |characters: &[char], how: fn(char) -> String| {
            way.chars().map(|c| if characters.contains(&c) { how(c) } else { c.to_string() }).collect::<String>()
        };
        let once = |c: char| format!("%{:02x}", u32::from(c));
        let twice = |c: char| format!("%25{:02X}", u32::from(c));
        [
            way.clone(),
            encode(&['.'], once),
            encode(&['/'], once),
            encode(&['.', '/'], once),
            encode(&['.'], twice),
            encode(&['/'], twice),
            way.replace('.', "%c0%ae"),
            way.replace('.', "%ef%bc%8e"),
            way.replace('/', "%5c"),
            way.replace('/', "%ef%bc%8f"),
            way.replace("..", "..%20"),
            way.replace("..", "%2e."),
            way.replace('/', "//"),
        ]
    };
    ways.iter().flat_map(respelled).collect()
}

/// Ways to ask for a file or a folder over HTTP.
const DOORS: [(&str, &str); 6] =
    [("GET", ""), ("HEAD", ""), ("GET", "?zip"), ("GET", "?tar"), ("GET", "?json&hash"), ("HEAD", "?zip")];

#[tokio::test]
async fn no_spelling_of_a_path_leads_to_what_a_caller_may_not_read() {
    let served = serve().await;
    let mut tried = 0;
    for (who, own, paths) in [
        // Each with a path that leads to nothing.
        (
            NOBODY,
            "films",
            &[("secret/x", "sacred/x"), ("secret/deep", "secret/dewp"), ("music/in/x", "music/on/x")][..],
        ),
        (LIM, "music/in", &[("secret/x", "sacred/x"), ("music/out", "music/owt"), ("music/inner/x", "music/infer/x")]),
        (SINGLE, "music/in", &[("music/in/y", "music/in/z")]),
    ] {
        let mut client = greet(&served, who.token()).await.unwrap();
        for (path, missing) in paths {
            for (spelling, missing) in spellings(own, path).into_iter().zip(spellings(own, missing)) {
                let ask = async |method, spelling: &str, query| {
                    get(&served, who, method, &format!("/files/{spelling}{query}")).await
                };
                let reply = ask("GET", &spelling, "").await;
                let is_refused = |reply: &Reply| matches!(reply.status, 400 | 401 | 403 | 404) && reply.body != CONTENT;
                assert!(is_refused(&reply), "{who:?} {spelling}: {reply:?}");
                let not_there = ask("GET", &missing, "").await;
                assert_eq!(reply.told(), not_there.told(), "{who:?} {spelling} {missing}");
                let (method, query) = DOORS[1 + tried % (DOORS.len() - 1)];
                let reply = ask(method, &spelling, query).await;
                assert!(is_refused(&reply), "{who:?} {method} {spelling}{query}: {reply:?}");
                if let Ok(path) = SharePath::parse(&*spelling) {
                    let refused = [
                        client.open_file(path.as_str()).await.err(),
                        client.stat(path.as_str()).await.err(),
                        client.list(path.as_str()).await.err(),
                    ];
                    let codes = refused.map(|failure| failure.map(|failure| failure.code));
                    assert_eq!(codes, [Some(ErrorCode::NotFound); 3], "{who:?} {spelling}");
                }
                tried += 1;
            }
        }
    }
    assert!(tried >= 500, "{tried}");
    // Links from one's own place, last and in the middle.
    for (who, links) in [
        (NOBODY, &["films/secret", "films/all/x", "films/all/deep/x"][..]),
        (LIM, &["music/in/out/x", "music/in/outx", "music/in/secret/x"]),
        (SCOPED, &["music/in/out/x", "music/in/outx", "music/in/secret/x"]),
    ] {
        let mut client = greet(&served, who.token()).await.unwrap();
        for link in links {
            let reply = get(&served, who, "GET", &format!("/files/{link}")).await;
            assert!(reply.status == 403 && reply.body != CONTENT, "{who:?} {link}: {reply:?}");
            for (method, query) in DOORS {
                let reply = get(&served, who, method, &format!("/files/{link}{query}")).await;
                assert!(reply.status == 403, "{who:?} {method} {link}{query}: {reply:?}");
            }
            let answers = asked(&mut client, link).await;
            assert!(answers[0].is_err() && answers[3].is_err(), "{who:?} {link}: {answers:?}");
        }
    }
    served.server.stop().await;
}
