//! The three sources of the configuration, and the errors for mistakes in them.

use super::*;

fn file(text: &str) -> Result<Config, ConfigError> {
    let mut config = Config::default();
    config.read_file(Path::new("wsc.toml"), text)?;
    config.check()?;
    Ok(config)
}

fn set(assignments: &[&str]) -> Result<Config, ConfigError> {
    let given: Result<Vec<_>, _> = assignments.iter().map(|text| Given::assignment(text)).collect();
    Config::load(None, [], &given?)
}

fn variables(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(None, pairs, &[])
}

#[test]
fn the_command_line_goes_over_the_environment_and_that_over_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wsc.toml");
    std::fs::write(&path, "welcome = 'file'\nlisten = 'file:1'\n[peer]\nwindow = 7\n").unwrap();
    let environment =
        [("WSC_LISTEN", "environment:1"), ("WSC_WELCOME", "environment"), ("PATH", "x"), ("WSC_TOKEN", "t")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let given = [Given::assignment("welcome=line").unwrap()];
    let config = Config::load(Some(&path), environment, &given).unwrap();
    assert_eq!(config.settings.peer.window, 7);
    assert_eq!(config.listen, ["environment:1"]);
    assert_eq!(config.settings.welcome, "line");
}

#[test]
fn an_unknown_key_of_a_file_or_the_command_line_is_an_error_that_names_the_nearest() {
    let near = |result: Result<Config, ConfigError>| match result.unwrap_err() {
        ConfigError::Unknown { near, .. } => near,
        other => panic!("{other}"),
    };
    assert_eq!(near(file("[peer]\nwindwo = 5")).as_deref(), Some("peer.window"));
    assert_eq!(near(set(&["heartbeat=5s"])).as_deref(), Some("peer.heartbeat"));
    assert_eq!(near(set(&["colour=red"])), None);
    let error = set(&["lisen=x"]).unwrap_err().to_string();
    assert_eq!(error, "--set: unknown key lisen; did you mean listen?; `wsc config` prints all keys");
}

#[test]
fn a_bad_value_names_key_value_and_form() {
    let error = set(&["peer.heartbeat=25"]).unwrap_err().to_string();
    assert_eq!(
        error,
        "--set: peer.heartbeat cannot be \"25\"; expected a time such as 200ms, 30s, 5m, 24h, 7d, at least 1ms"
    );
    for bad in
        ["peer.heartbeat=0", "peer.window=0", "peer.frame=1000B", "peer.frame=2MiB", "store=disk", "log=xml"]
    {
        assert!(matches!(set(&[bad]), Err(ConfigError::Value { .. })), "{bad}");
    }
    assert!(matches!(file("[peer]\nwindow = 'many'"), Err(ConfigError::Value { .. })));
    assert!(matches!(file("peer = 5"), Err(ConfigError::Unknown { .. })));
    assert!(matches!(file("[listen]\na = 1"), Err(ConfigError::Unknown { .. })));
    assert!(matches!(set(&["peer.window"]), Err(ConfigError::Assignment(_))));
    assert!(matches!(file("peer.window = "), Err(ConfigError::Syntax { .. })));
}

#[test]
fn keys_that_do_not_go_together_are_an_error() {
    for bad in [
        ["peer.ack_delay=40s", "peer.ack_timeout=30s"],
        ["limits.send_bytes=1KiB", "peer.frame=64KiB"],
        ["auth.origins=app.example", "listen=127.0.0.1:1"],
        ["auth.origins=https://app.example/", "listen=127.0.0.1:1"],
        ["auth.origins=wss://app.example", "listen=127.0.0.1:1"],
        ["listen=", "data=x"],
        ["tls.certificate=a", "listen=https://h:1"],
        ["tls.key=a", "listen=https://h:1"],
        ["listen=h:1,https://h:2", "data=x"],
        ["log_level=[[", "data=x"],
        ["log_level=loud", "data=x"],
        ["log_level=warn,infos", "data=x"],
    ] {
        assert!(matches!(set(&bad), Err(ConfigError::Relation(_))), "{bad:?}");
    }
}

#[test]
fn a_level_or_a_filter_says_what_is_logged() {
    for good in [
        "info",
        "WARN",
        "off",
        "wsc_server=debug",
        "info,hyper=warn",
        "wsc_server::http",
        "warn,wsc_server[turn]=trace",
    ] {
        assert!(set(&[&format!("log_level={good}")]).is_ok(), "{good}");
    }
}

#[test]
fn a_certificate_needs_an_address_with_tls() {
    let with = |listen: &str| set(&["tls.certificate=a", "tls.key=b", listen]);
    assert!(matches!(with("listen=h:1"), Err(ConfigError::Relation(_))));
    assert_eq!(with("listen=h:1,https://h:2").unwrap().listen, ["h:1", "https://h:2"]);
}

#[test]
fn what_is_printed_can_be_read_and_says_the_same() {
    let config =
        set(&["peer.window=9", "auth.apps=a,b", "welcome=say \"hi\"", "retention.age=90s", "store=memory"])
            .unwrap();
    let text = config.document();
    assert_eq!(file(&text).unwrap().document(), text);
    assert!(text.contains("age = \"90s\"") && text.contains("apps = [\"a\", \"b\"]"), "{text}");
}

#[test]
fn each_key_goes_into_a_place_of_its_own() {
    for key in KEYS {
        let before = Config::default();
        let mut after = before.clone();
        let other = match (key.form, key.value(&before)) {
            (_, value::Value::Number(number)) => value::Value::Number(number + 1),
            (Form::Choice(names), value::Value::Text(now)) => {
                value::Value::Text((*names.iter().find(|name| **name != now).unwrap()).to_owned())
            }
            (_, value::Value::Text(_)) => value::Value::Text("other".to_owned()),
            (_, value::Value::Flag(flag)) => value::Value::Flag(!flag),
            (_, value::Value::List(_)) => value::Value::List(vec!["other".to_owned()]),
        };
        key.set(&mut after, other.clone());
        assert_eq!(key.value(&after), other, "{}", key.name);
        let changed = KEYS.iter().filter(|other| other.value(&before) != other.value(&after)).count();
        assert_eq!(changed, 1, "{}", key.name);
    }
}

#[test]
fn the_defaults_fit_their_own_forms() {
    for key in KEYS {
        let written = key.form.write(&key.value(&Config::default()));
        let table: toml::Table = format!("v = {written}").parse().unwrap();
        let text = match &table["v"] {
            toml::Value::String(text) => text.clone(),
            toml::Value::Array(items) => {
                items.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(",")
            }
            other => other.to_string(),
        };
        assert_eq!(key.form.parse(&text), Ok(key.value(&Config::default())), "{}", key.name);
    }
}

#[test]
fn unknown_variables_are_one_warning_that_names_the_nearest_keys() {
    let config = variables(&[
        ("WSC_VERSION", "1.2.3"),
        ("WSC_PEER_WINDOWS", "5"),
        ("WSC_HOME", "/opt"),
        ("WSC_PEER_WINDOW", "7"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.settings.peer.window, 7);
    let [warning] = config.warnings.as_slice() else { panic!("{:?}", config.warnings) };
    assert!(warning.contains("WSC_PEER_WINDOWS (did you mean WSC_PEER_WINDOW?)"), "{warning}");
    assert!(warning.contains("WSC_HOME, ") && warning.contains("WSC_VERSION;"), "{warning}");
    assert!(matches!(variables(&[("WSC_PEER_WINDOW", "many")]), Err(ConfigError::Value { .. })));
}

#[test]
fn the_addresses_of_kubernetes_services_are_no_keys() {
    let set = variables(&[
        ("WSC_SERVICE_HOST", "10.0.0.1"),
        ("WSC_SERVICE_PORT_HTTP", "80"),
        ("WSC_PORT", "tcp://10.0.0.1:80"),
        ("WSC_PORT_80_TCP_PROTO", "tcp"),
        ("WSC_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("WSC_PORT_80_TCP_PORT", "80"),
    ]);
    assert_eq!(set.unwrap().warnings, Vec::<String>::new());
}
