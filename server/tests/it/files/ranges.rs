//! Parts of files: ranges, conditions, and downloads that are resumed.

use super::*;

#[tokio::test]
async fn a_range_is_sent_alone() {
    let (_folder, server) = with_file().await;
    let whole = sample(SIZE);
    for (range, part) in [
        ("bytes=0-0", 0..1),
        ("bytes=100-262243", 100..262_244),
        ("bytes=262144-", 262_144..SIZE),
        ("bytes=-8192", SIZE - 8192..SIZE),
        ("bytes=599999-700000", SIZE - 1..SIZE),
        ("bytes=-999999999", 0..SIZE),
    ] {
        let reply = request(server.address(), "GET", TARGET, &[&format!("Range: {range}")]).await;
        assert_eq!(reply.status, 206, "{range}");
        let content_range = format!("bytes {}-{}/{SIZE}", part.start, part.end - 1);
        assert_eq!(reply.header("content-range"), Some(content_range.as_str()), "{range}");
        assert_eq!(reply.header("content-length"), Some(part.len().to_string().as_str()), "{range}");
        assert!(reply.body == whole[part], "{range}");
    }
}

#[tokio::test]
async fn a_range_past_the_end_is_refused_with_the_size() {
    let (_folder, server) = with_file().await;
    for range in ["bytes=600000-", "bytes=600000-600001", "bytes=-0", "bytes=99999999999999999999-"] {
        let reply = request(server.address(), "GET", TARGET, &[&format!("Range: {range}")]).await;
        assert_eq!((reply.status, reply.body.len()), (416, 0), "{range}");
        assert_eq!(reply.header("content-range"), Some("bytes */600000"), "{range}");
    }
}

#[tokio::test]
async fn several_ranges_come_in_parts() {
    let (_folder, server) = with_file().await;
    let whole = sample(SIZE);
    for (range, parts) in [
        ("bytes=0-1,5-6", vec![0..2, 5..7]),
        ("bytes=-10, 100-262243 ,0-0", vec![SIZE - 10..SIZE, 100..262_244, 0..1]),
        ("bytes=3-3,600000-,4-4", vec![3..4, 4..5]),
    ] {
        let reply = request(server.address(), "GET", TARGET, &[&format!("Range: {range}")]).await;
        assert_eq!((reply.status, reply.header("content-range")), (206, None), "{range}");
        assert_eq!(reply.header("content-length"), Some(reply.body.len().to_string().as_str()), "{range}");
        let boundary = reply.header("content-type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
        let mut expected = Vec::new();
        for (number, part) in parts.into_iter().enumerate() {
            let line_end = if number == 0 { "" } else { "\r\n" };
            let (first, last) = (part.start, part.end - 1);
            let head = format!(
                "{line_end}--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {first}-{last}/{SIZE}\r\n\r\n"
            );
            expected.extend_from_slice(head.as_bytes());
            expected.extend_from_slice(&whole[part]);
        }
        expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert!(reply.body == expected, "{range}");
        assert!(reply.header("etag").is_some() && reply.header("content-security-policy") == Some("sandbox"));
    }
    let one = request(server.address(), "GET", TARGET, &["Range: bytes=600000-,0-1"]).await;
    assert_eq!((one.status, one.header("content-range")), (206, Some("bytes 0-1/600000")));
}

#[tokio::test]
async fn rubbish_and_more_than_the_whole_bring_the_whole_file() {
    let (_folder, server) = with_file().await;
    for fields in [
        &["Range: bytes=0-,0-,0-"][..],
        &["Range: bytes=0-1,5-2"],
        &["Range: bytes=5-2"],
        &["Range: bytes=x"],
        &["Range: lines=1-2"],
        &["Range: bytes=0-1", "Range: bytes=2-3"],
    ] {
        let reply = request(server.address(), "GET", TARGET, fields).await;
        assert_eq!((reply.status, reply.header("content-range")), (200, None), "{fields:?}");
        assert_eq!(reply.body.len(), SIZE, "{fields:?}");
    }
}

#[tokio::test]
async fn conditions_are_kept_to() {
    let (_folder, server) = with_file().await;
    let etag = request(server.address(), "HEAD", TARGET, &[]).await.header("etag").unwrap().to_owned();
    let (same, weak) = (format!("If-None-Match: {etag}"), format!("If-None-Match: \"x\", W/{etag}"));
    let (wanted, part) = (format!("If-Match: {etag}"), format!("If-Range: {etag}"));
    let since = format!("If-Modified-Since: {MODIFIED}");
    let dated = format!("If-Range: {MODIFIED}");
    let range = "Range: bytes=1-2";
    for (fields, status) in [
        (&[same.as_str()][..], 304),
        (&[weak.as_str()], 304),
        (&["If-None-Match: *"], 304),
        (&["If-None-Match: \"x\""], 200),
        (&["If-None-Match: \"x\"", &since], 200),
        (&[&since], 304),
        (&["If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT"], 200),
        (&[&wanted], 200),
        (&["If-Match: \"x\""], 412),
        (&["If-Match: \"x\"", range], 412),
        (&["If-Unmodified-Since: Sun, 09 Sep 2001 01:46:39 GMT"], 412),
        (&[&part, range], 206),
        (&["If-Range: \"x\"", range], 200),
        // A date can't tell two changes within a second apart.
        (&[&dated, range], 200),
        (&[&wanted, &part, range], 206),
        (&[&same, range], 304),
    ] {
        let reply = request(server.address(), "GET", TARGET, fields).await;
        assert_eq!(reply.status, status, "{fields:?}");
        assert_eq!(reply.header("etag"), Some(etag.as_str()), "{fields:?}");
        let length = match status {
            200 => SIZE,
            206 => 2,
            _ => 0,
        };
        assert_eq!(reply.body.len(), length, "{fields:?}");
    }
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_ended() {
    let (_folder, server) = with_file().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(head("GET", TARGET, &[]).as_bytes()).await.unwrap();
    let mut begun = vec![0; 200_000];
    stream.read_exact(&mut begun).await.unwrap();
    drop(stream);
    let body = begun.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let mut got = begun.split_off(body);
    let rest = request(server.address(), "GET", TARGET, &[&format!("Range: bytes={}-", got.len())]).await;
    got.extend(rest.body);
    assert!(got == sample(SIZE));
}
