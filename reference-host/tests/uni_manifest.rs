//! The JSON of the control exports and the URL patterns, as tables: what is read, and what is said about the rest.

use std::fmt::Write;

use reference_host::uni::{Limits, Manifest, UrlPattern, parse_registration, parse_url};

fn manifests(cases: &[&str]) -> String {
    table(cases, |text| {
        Manifest::parse(text)
            .map(|m| format!("{m:#?}"))
            .map_err(|e| e.to_string())
    })
}

fn registrations(cases: &[&str]) -> String {
    let limits = Limits {
        entries: 3,
        columns: 3,
        ..Limits::default()
    };
    table(cases, |text| {
        parse_registration(text, "a.b", &limits)
            .map(|f| format!("{f:#?}"))
            .map_err(|e| e.to_string())
    })
}

fn table(cases: &[&str], read: impl Fn(&str) -> Result<String, String>) -> String {
    let mut out = String::new();
    for case in cases {
        let (mark, text) = match read(case) {
            Ok(text) => ("ok", text),
            Err(text) => ("error", text),
        };
        writeln!(out, "{case:?}\n{mark}: {text}\n").expect("a string");
    }
    out
}

#[test]
fn manifests_that_are_read() {
    insta::assert_snapshot!(manifests(&[
        r#"{"id":"a","version":"1.0.0"}"#,
        "\n {\"id\":\"a.b-c_d.1\",\"version\":\"1.0.0-rc.1+x\",\"abi\":\"^2\",\"capabilities\":[\"scalar-fn\",
          {\"kind\":\"procedure\"},{\"kind\":\"network\",\"allow\":[\"https://*.example.com/v1/*\"]},
          {\"kind\":\"lock\",\"granularity\":\"both\"},{\"kind\":\"filesystem\",\"read\":[\"/x\"],\"write\":[]},
          {\"kind\":\"host-query\",\"read_only\":true,\"scopes\":[]},
          {\"kind\":\"wall-clock-millis-per-call\",\"value\":200}],
          \"determinism\":\"session_scoped\",\"description\":\"d\",\"fuel_per_call\":18446744073709551615,
          \"memory_max_pages\":4294967295,\"timeout_ms\":1} \n",
        r#"{"id":"a","version":"1.0.0","abi":null,"determinism":null,"description":null,"fuel_per_call":null,"memory_max_pages":null,"timeout_ms":null}"#,
        r#"{"id":"a","version":"1.0.0","abi":"*","determinism":"zigzag","capabilities":["network"]}"#,
    ]));
}

#[test]
fn manifests_that_are_refused() {
    insta::assert_snapshot!(manifests(&[
        "",
        "nonsense",
        "{\"id\":\"a\",\n\"version\"}",
        r#"{"id":"a","version":"1.0.0"} {}"#,
        "\u{feff}{\"id\":\"a\",\"version\":\"1.0.0\"}",
        r#"["a.b","1.0.0"]"#,
        "null",
        r#"{"version":"1.0.0"}"#,
        r#"{"id":"a"}"#,
        r#"{"id":"a","version":"1.0.0","provides":[]}"#,
        r#"{"id":"a","version":"1.0.0","id":"a"}"#,
        r#"{"id":"","version":"1.0.0"}"#,
        r#"{"id":"builtin","version":"1.0.0"}"#,
        r#"{"id":"a..b","version":"1.0.0"}"#,
        r#"{"id":"a b","version":"1.0.0"}"#,
        r#"{"id":"-a","version":"1.0.0"}"#,
        r#"{"id":7,"version":"1.0.0"}"#,
        r#"{"id":null,"version":"1.0.0"}"#,
        r#"{"id":"a","version":"1.0"}"#,
        r#"{"id":"a","version":"1.0.0","abi":"^99"}"#,
        r#"{"id":"a","version":"1.0.0","abi":"^0.1"}"#,
        r#"{"id":"a","version":"1.0.0","abi":"xx"}"#,
        r#"{"id":"a","version":"1.0.0","abi":1}"#,
        r#"{"id":"a","version":"1.0.0","determinism":true}"#,
        r#"{"id":"a","version":"1.0.0","fuel_per_call":-1}"#,
        r#"{"id":"a","version":"1.0.0","fuel_per_call":0}"#,
        r#"{"id":"a","version":"1.0.0","timeout_ms":1.0}"#,
        r#"{"id":"a","version":"1.0.0","timeout_ms":1e400}"#,
        r#"{"id":"a","version":"1.0.0","timeout_ms":18446744073709551616}"#,
        r#"{"id":"a","version":"1.0.0","memory_max_pages":4294967296}"#,
        r#"{"id":"a","version":"1.0.0","memory_max_pages":"1"}"#,
    ]));
}

#[test]
fn capabilities_that_are_refused() {
    let cases: Vec<String> = [
        "null",
        "{}",
        r#"[7]"#,
        r#"["Network"]"#,
        r#"["teleport"]"#,
        r#"["network","network"]"#,
        r#"["network",{"kind":"network"}]"#,
        r#"[{"name":"network"}]"#,
        r#"[{"kind":"teleport"}]"#,
        r#"[{"kind":"scalar-fn","x":1}]"#,
        r#"[{"kind":"network","allow":"*"}]"#,
        r#"[{"kind":"network","allow":["*","ftp://x/"]}]"#,
        r#"[{"kind":"network","allow":["https://a*.example/"]}]"#,
        r#"["lock"]"#,
        r#"[{"kind":"lock","granularity":"some"}]"#,
        r#"["memory-bytes"]"#,
        r#"[{"kind":"memory-bytes"}]"#,
        r#"[{"kind":"memory-bytes","value":-1}]"#,
        r#"[{"kind":"fuel-per-call","value":0}]"#,
        r#"[{"kind":"kms","key_ids":[1]}]"#,
        r#"[{"kind":"host-query","read_only":"yes"}]"#,
    ]
    .iter()
    .map(|list| format!(r#"{{"id":"a","version":"1.0.0","capabilities":{list}}}"#))
    .collect();
    insta::assert_snapshot!(manifests(
        &cases.iter().map(String::as_str).collect::<Vec<_>>()
    ));
}

#[test]
fn registrations_that_are_read() {
    insta::assert_snapshot!(registrations(&[
        r#"{"entries":[]}"#,
        r#"{"entries":[
          {"kind":"scalar","qname":"a.b.f","signature":{"args":[{"kind":"primitive","arrow":"timestamp_ms"},{"kind":"cypher_value"}],"returns":{"kind":"primitive","arrow":"utf8"}}},
          {"kind":"scalar","qname":"a.b.ü g","signature":{"args":[],"returns":{"kind":"cypher_value"},"volatility":"volatile","null_handling":"user_handled"}},
          {"kind":"aggregate","qname":"a.b.F","signature":{"args":[],"returns":{"kind":"primitive","arrow":"int64"},"volatility":"stable"},"state":{"kind":"primitive","arrow":"binary"}}]}"#,
        r#"{"entries":[
          {"kind":"procedure","qname":"a.b.p","args":[],"yields":[]},
          {"kind":"procedure","qname":"a.b.p","args":[{"kind":"cypher_value"}],"yields":[{"kind":"primitive","arrow":"date64"}],"mode":"dbms"}]}"#,
    ]));
}

#[test]
fn registrations_that_are_refused() {
    let scalar = |name: &str, args: &str, returns: &str, more: &str| {
        format!(
            r#"{{"kind":"scalar","qname":"{name}","signature":{{"args":[{args}],"returns":{returns}{more}}}}}"#
        )
    };
    let int = r#"{"kind":"primitive","arrow":"int64"}"#;
    let good = scalar("a.b.f", "", int, "");
    let aggregate = |state: &str| {
        format!(
            r#"{{"kind":"aggregate","qname":"a.b.g","signature":{{"args":[],"returns":{int}}}{state}}}"#
        )
    };
    let procedure = |args: &str, mode: &str| {
        format!(r#"{{"kind":"procedure","qname":"a.b.f","args":[{args}],"yields":[]{mode}}}"#)
    };
    let list = |entries: &[&str]| format!(r#"{{"entries":[{}]}}"#, entries.join(","));
    let mut cases = vec![
        "[]".to_owned(),
        "{}".to_owned(),
        r#"{"entries":null}"#.to_owned(),
        r#"{"entries":[],"more":1}"#.to_owned(),
        list(&["7"]),
        list(&[r#"{"qname":"a.b.f"}"#]),
        list(&[r#"{"kind":"algorithm","qname":"a.b.f"}"#]),
        list(&[r#"{"kind":"scalar","qname":"a.b.f"}"#]),
        list(&[&good, &good]),
        list(&[&good, &procedure("", "")]),
        list(&[&procedure("", ""), &procedure("", "")]),
        list(&[&procedure(int, ""), &procedure("", ""), &good]),
        list(&[
            &procedure("", ""),
            &procedure(int, ""),
            &procedure(int, ""),
            &good,
        ]),
        list(&[&procedure(&[int; 4].join(","), "")]),
        list(&[&procedure("", r#","mode":"READ""#)]),
        list(&[&procedure("", r#","mode":null"#)]),
        list(&[&aggregate("")]),
        list(&[&aggregate(r#","state":{"kind":"cypher_value"}"#)]),
        list(&[&aggregate(
            r#","state":{"kind":"primitive","arrow":"largebinary"}"#,
        )]),
        list(&[&scalar("a.b.f", "", int, r#","volatility":"never""#)]),
        list(&[&scalar("a.b.f", "", int, r#","null_handling":"Propagate""#)]),
        list(&[&scalar("a.b.f", "", int, r#","args":[]"#)]),
        list(&[&scalar("a.b.f", "", int, r#","state":1"#)]),
    ];
    for name in [
        "f",
        "",
        ".",
        "a.b.",
        ".f",
        "c.f",
        "a.b.c.f",
        "A.B.f",
        "builtin.f",
        "a.f",
        "a.b.\\u0000",
    ] {
        cases.push(list(&[&scalar(name, "", int, "")]));
    }
    for ty in [
        r#"{"kind":"primitive","arrow":"uint8"}"#,
        r#"{"kind":"primitive","arrow":"Int64"}"#,
        r#"{"kind":"primitive"}"#,
        r#"{"kind":"cypher_value","junk":1}"#,
        r#"{"kind":"vector","len":3,"element":"float32"}"#,
        r#""int64""#,
    ] {
        cases.push(list(&[&scalar("a.b.f", ty, int, "")]));
        cases.push(list(&[&scalar("a.b.f", "", ty, "")]));
    }
    let text = registrations(&cases.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(!text.contains("\nok: "));
    insta::assert_snapshot!(text);
}

#[test]
fn url_patterns() {
    let fits = |pattern: &str, url: &str| {
        let url = parse_url(url, 8192).unwrap_or_else(|e| panic!("{url}: {e}"));
        UrlPattern::parse(pattern)
            .unwrap_or_else(|e| panic!("{pattern}: {e}"))
            .matches(&url)
    };
    for (pattern, yes, no) in [
        ("*", &["http://x/", "https://x:1/y?z"][..], &[][..]),
        ("**", &["http://x/"], &[]),
        (
            "https://**",
            &["https://x/", "https://x:444/a"],
            &["http://x/"],
        ),
        (
            "https://*/a*",
            &["https://x/a", "https://x:9/ab/c"],
            &["https://x/b"],
        ),
        (
            "*://x/**",
            &["http://x/", "https://x/"],
            &["http://x:8080/", "http://y/"],
        ),
        (
            "https://a.example*",
            &["https://a.example/", "https://A.EXAMPLE/x?y"],
            &[
                "https://a.example.evil.com/",
                "https://a.examples/",
                "https://a.example:444/",
            ],
        ),
        (
            "http://a:80*",
            &["http://a/", "http://a:80/x"],
            &["http://a:8080/"],
        ),
        (
            "http://a:*",
            &["http://a:1/x", "http://a/"],
            &["http://b:1/"],
        ),
        ("http://a:*/x", &["http://a:1/x"], &["http://a:1/y"]),
        (
            "https://*.example.com/**",
            &["https://a.example.com/", "https://a.b.example.com/x"],
            &[
                "https://example.com/",
                "https://.example.com/",
                "https://evilexample.com/",
                "https://example.com.evil/",
            ],
        ),
        (
            "HTTPS://Example.COM/A",
            &["https://example.com/A", "hTTps://EXAMPLE.com:443/A#f"],
            &[
                "https://example.com/a",
                "https://example.com/A?q",
                "https://example.com/A/",
            ],
        ),
        (
            "https://example.com",
            &["https://example.com", "https://example.com/"],
            &["https://example.com/x", "https://example.com/?q"],
        ),
        (
            "https://x/api/*",
            &["https://x/api/", "https://x/api/v1?q=/"],
            &[
                "https://x/api",
                "https://x/api/../admin",
                "https://x/api/%2e%2e/admin",
                "https://x/v/api/",
            ],
        ),
        (
            "https://x/*?key=1",
            &["https://x/a?key=1"],
            &["https://x/a", "https://x/a?key=2"],
        ),
        (
            "http://127.0.0.1/",
            &["http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/"],
            &["http://127.0.0.2/", "http://localhost/"],
        ),
        (
            "http://[::1]:80/*",
            &["http://[::1]/", "http://[0:0::1]/a"],
            &["http://[::2]/"],
        ),
        (
            "https://bücher.example/",
            &["https://xn--bcher-kva.example/"],
            &[],
        ),
    ] {
        for url in yes {
            assert!(fits(pattern, url), "{pattern} should allow {url}");
        }
        for url in no {
            let refused = parse_url(url, 8192).is_err() || !fits(pattern, url);
            assert!(refused, "{pattern} should not allow {url}");
        }
    }
    for bad in [
        "",
        " ",
        "x",
        "ftp://x/",
        "https://",
        "https://u@x/",
        "https://x:0/",
        "https://x:99999/",
        "https://x/#f",
        "https://a*.b/",
        "https://*.1.2.3.4/",
        "https://x /",
    ] {
        assert!(UrlPattern::parse(bad).is_err(), "{bad:?}");
    }
    for bad in [
        "",
        "x",
        "/x",
        "ftp://x/",
        "http://u@x/",
        "http://:p@x/",
        "http://@x/",
        "http://",
        " http://x/",
        "http://x/\n",
        "ht\ttp://x/",
        "javascript:1",
    ] {
        assert!(parse_url(bad, 8192).is_err(), "{bad:?}");
    }
    assert!(parse_url(&format!("http://x/{}", "a".repeat(9000)), 8192).is_err());
}
