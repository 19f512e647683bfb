//! Logging in and out, rights that are taken away, and passwords that are tried.

use super::*;

#[tokio::test]
async fn a_login_gives_a_token_and_a_logout_ends_what_it_does() {
    let served = serve().await;
    let address = served.server.address();
    let reply = get(&served, LIM, "POST", "/login").await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")), "{reply:?}");
    let answer: serde_json::Value = serde_json::from_str(reply.text()).unwrap();
    assert_eq!((answer["user"]["name"].as_str(), answer["user"]["role"].as_str()), (Some("lim"), Some("limited")));
    let token = answer["token"].as_str().unwrap().to_owned();
    let field = format!("Authorization: Bearer {token}");
    for (who, is_needed, is_proven, name, only) in [
        (NOBODY, true, false, json!(null), json!(["films"])),
        (ANNA, false, true, json!("anna"), json!(null)),
        (Who::Token(&token), false, true, json!("lim"), json!(["music/in", "films"])),
        (SINGLE, false, true, json!(null), json!(["music/in/x"])),
    ] {
        let answer: Value = serde_json::from_str(get(&served, who, "GET", "/login").await.text()).unwrap();
        let told = (&answer["is_needed"], &answer["is_proven"], &answer["user"]["name"], &answer["only"]);
        assert_eq!(told, (&json!(is_needed), &json!(is_proven), &name, &only), "{who:?}");
        let mut client = Client::open(address, None).await.unwrap();
        client.send(&greeting(who.token(), features::LOGIN)).await;
        let ServerMessage::Welcome(welcome) = client.receive().await else { panic!("{who:?}") };
        assert_eq!(welcome.features == features::LOGIN, is_needed, "{who:?}");
    }
    // A token gets no further token, and neither does a page elsewhere with what a browser remembers.
    assert_eq!(request(address, "POST", "/login", &[&field]).await.status, 401);
    assert_eq!(get(&served, NOBODY, "POST", "/login").await.status, 401);
    let foreign = [LIM.field().unwrap(), "Origin: http://evil.example".to_owned()];
    assert_eq!(request(address, "POST", "/login", &[&foreign[0], &foreign[1]]).await.status, 403);

    let mut client = greet(&served, Some(token.clone())).await.unwrap();
    let mut other = greet(&served, LIM.token()).await.unwrap();
    let opened = client.open_file("music/in/x").await.unwrap();
    assert_eq!(client.blocks(opened.handle, 0, 1).await.unwrap(), CONTENT);
    assert_eq!(request(address, "DELETE", "/login", &[&field]).await.status, 204);
    let failure = client
        .find(|message| match message {
            ServerMessage::Failure(failure) => Some(failure.clone()),
            _ => None,
        })
        .await;
    assert_eq!((failure.id, failure.code), (None, ErrorCode::Unauthorized));
    while let Some(told) = client.next().await {
        assert!(matches!(told, ServerMessage::RootReady(_)), "{told:?}");
    }
    assert!(greet(&served, Some(token)).await.is_err());
    assert_eq!(request(address, "DELETE", "/login", &[&field]).await.status, 401);
    assert!(other.open_file("music/in/x").await.is_ok());
    served.server.stop().await;
}

#[tokio::test]
async fn a_right_that_was_taken_away_ends_at_once_and_comes_back() {
    let served = serve().await;
    let book = served.control.callers().book();
    let mut clients = [greet(&served, ANNA.token()).await.unwrap(), greet(&served, LIM.token()).await.unwrap()];
    for client in &mut clients {
        client.open_file("music/in/x").await.unwrap();
    }
    let limit = |only: &[&str]| {
        let only = only.iter().map(|path| at(path)).collect();
        book.update(|accounts| {
            accounts.users.get_mut(&"lim".parse().unwrap()).unwrap().only = only;
            Ok::<_, wstp_server::accounts::BookError>(())
        })
        .unwrap();
        served.control.review();
    };
    limit(&["music/out"]);
    let [anna, lim] = &mut clients;
    lim.find(|message| matches!(message, ServerMessage::Goodbye(_)).then_some(())).await;
    let mut again = greet(&served, LIM.token()).await.unwrap();
    assert_eq!(again.open_file("music/in/x").await.unwrap_err().code, ErrorCode::NotFound);
    assert!(again.open_file("music/out/x").await.is_ok());
    assert!(anna.open_file("music/in/x").await.is_ok());
    limit(&["music/in"]);
    let mut again = greet(&served, LIM.token()).await.unwrap();
    assert!(again.open_file("music/in/x").await.is_ok());
    served.server.stop().await;
}

#[tokio::test]
async fn wrong_passwords_back_off_and_others_still_log_in() {
    let served = serve().await;
    let text = base64::engine::general_purpose::STANDARD.encode("lim:wrong horse battery");
    let wrong = format!("Authorization: Basic {text}");
    // Anna logged in here before, and her password is known.
    assert_eq!(get(&served, ANNA, "GET", "/files/secret/x").await.status, 200);
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(request(served.server.address(), "GET", "/files/", &[&wrong]).await);
    }
    let codes: Vec<_> = statuses.iter().map(|reply| reply.status).collect();
    assert_eq!(codes, [401, 401, 401, 401, 401, 429, 429]);
    let seconds: u64 = statuses[6].header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
    assert_eq!(get(&served, ANNA, "GET", "/files/secret/x").await.status, 200);
    // The right password waits as well, or its answer would tell that it is right. A token does not.
    assert_eq!(get(&served, LIM, "GET", "/files/music/in/x").await.status, 429);
    assert_eq!(get(&served, SCOPED, "GET", "/files/music/in/x").await.status, 200);
    served.server.stop().await;
}

#[tokio::test]
async fn only_a_trusted_proxy_is_believed_about_who_tries_passwords() {
    let text = base64::engine::general_purpose::STANDARD.encode("lim:wrong horse battery");
    let wrong = format!("Authorization: Basic {text}");
    for (trusted, seventh_from_elsewhere) in [("127.0.0.0/8", 401), ("192.0.2.0/24", 429)] {
        let trusted = vec![trusted.parse().unwrap()];
        let proxies = wstp_server::forwarded::Proxies { trusted, ..Default::default() };
        let served = serve_with(Config { proxies, ..Config::default() }).await;
        let ask = async |client: &str| {
            // The first address is one that the client made up.
            let field = format!("X-Forwarded-For: 203.0.113.9, {client}");
            request(served.server.address(), "GET", "/files/", &[&wrong, &field]).await.status
        };
        for number in 0..6 {
            assert_eq!(ask("198.51.100.1").await, if number < 5 { 401 } else { 429 });
        }
        assert_eq!(ask("198.51.100.2").await, seventh_from_elsewhere);
        served.server.stop().await;
    }
}

/// Somebody logged in at a proxy, as Authelia and oauth2-proxy tell it.
#[tokio::test]
async fn a_trusted_proxy_says_who_is_logged_in_and_nobody_else_does() {
    let proxies = Proxies {
        trusted: vec!["127.0.0.1/32".parse().unwrap()],
        identity: Some("remote-user".parse().unwrap()),
        ..Proxies::default()
    };
    let served = serve_with(Config { proxies, ..Config::default() }).await;
    let address = served.server.address();
    let from =
        async |own: &str, fields: &[&str]| request_from_with(own, address, "/files/music/out/x", fields).await.status;
    let anna = "Remote-User: anna";
    assert_eq!(from("127.0.0.1", &[anna]).await, 200);
    assert_eq!(from("127.0.0.1", &["Remote-User: lim"]).await, 404, "the rights are those of the user");
    for (own, fields) in [
        ("127.0.0.2", &[anna][..]),
        ("127.0.0.2", &[anna, "X-Forwarded-For: 127.0.0.1"]),
        ("127.0.0.1", &["Remote-User: nobody-here"]),
        ("127.0.0.1", &["Remote-User:"]),
        ("127.0.0.1", &[anna, "Remote-User: lim"]),
        ("127.0.0.1", &["X-Forwarded-User: anna"]),
        ("127.0.0.1", &[]),
    ] {
        assert_eq!(from(own, fields).await, 401, "{own} {fields:?}");
    }
    let who = request(address, "GET", "/login", &[anna]).await;
    assert!(who.text().contains("\"anna\""), "{who:?}");
    // A user who goes is nobody, whatever the proxy says.
    served.control.callers().book().update(|accounts| accounts.remove_user(&"anna".parse().unwrap())).unwrap();
    assert_eq!(from("127.0.0.1", &[anna]).await, 401);
}
