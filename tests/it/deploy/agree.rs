//! Images, ports, probes and times agree with the program, and with one another.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use super::{deployment, manifest, read, yaml};

/// What the program can be told to do.
fn subcommands() -> BTreeSet<String> {
    rowcast::cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

/// A default of `rowcast serve`, if it has this setting.
fn default(variable: &str) -> Option<String> {
    let command = rowcast::cli::command();
    let mut arguments = command.find_subcommand("serve").unwrap().get_arguments();
    let argument = arguments.find(|argument| argument.get_env().is_some_and(|name| name == variable))?;
    Some(argument.get_default_values().first()?.to_str()?.to_owned())
}

fn span(text: &str) -> Duration {
    humantime::parse_duration(text).unwrap()
}

/// What a pod is given.
fn given(container: &Value, name: &str) -> String {
    let variables = container["env"].as_array().unwrap();
    let variable = variables.iter().find(|variable| variable["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    variable["value"].as_str().unwrap().to_owned()
}

/// The rest of the line that begins so.
fn line<'a>(text: &'a str, begin: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.trim().strip_prefix(begin));
    found.unwrap_or_else(|| panic!("no line begins with `{begin}`")).trim()
}

#[test]
fn the_image_is_built_with_the_compiler_that_is_asked_for() {
    let version = line(&read("Cargo.toml"), "rust-version = ").trim_matches('"').to_owned();
    assert!(line(&read("Dockerfile"), "FROM rust:").starts_with(&format!("{version}.")), "not {version}");
}

#[test]
fn the_image_does_what_the_program_can() {
    let dockerfile = read("Dockerfile");
    let words = |begin: &str| serde_json::from_str::<Vec<String>>(line(&dockerfile, begin)).unwrap();
    assert_eq!(words("ENTRYPOINT"), ["rowcast"]);
    assert!(subcommands().contains(&words("CMD")[0]));
    let (_, health) = line(&dockerfile, "HEALTHCHECK").split_once("CMD ").unwrap();
    let health: Vec<String> = serde_json::from_str(health).unwrap();
    assert!(health[0] == "rowcast" && subcommands().contains(&health[1]), "{health:?}");
    assert_eq!(Some(line(&dockerfile, "EXPOSE").to_owned()), default("PORT"));
}

#[test]
fn the_job_migrates() {
    let job = manifest("deploy/kubernetes/migrate/job.yaml", "Job");
    let arguments = &job["spec"]["template"]["spec"]["initContainers"][0]["args"];
    assert!(subcommands().contains(arguments[0].as_str().unwrap()), "{arguments}");
}

#[tokio::test]
async fn probes_and_balancers_ask_for_paths_that_there_are() {
    let printed = crate::support::Node::command("openapi").output().await.unwrap();
    let document: Value = serde_json::from_slice(&printed.stdout).unwrap();
    let routes: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let deployment = deployment();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    for (probe, path) in
        [("startupProbe", "/health/live"), ("livenessProbe", "/health/live"), ("readinessProbe", "/health/ready")]
    {
        assert_eq!(container[probe]["httpGet"]["path"], path);
        assert_eq!(container[probe]["httpGet"]["port"], "http");
        assert!(routes.contains(path));
    }
    assert!(routes.contains(line(&read("deploy/compose/haproxy.cfg"), "option httpchk GET")));
    assert!(routes.contains(line(&read("deploy/nginx/rowcast.conf"), "location = ").trim_end_matches(" {")));
    let route = manifest("deploy/kubernetes/examples/route.yaml", "HTTPRoute");
    assert!(routes.contains(route["spec"]["rules"][0]["matches"][0]["path"]["value"].as_str().unwrap()));
}

#[test]
fn ports_lead_to_where_the_program_listens() {
    let deployment = deployment();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    for (name, variable) in [("http", "PORT"), ("admin", "ADMIN_PORT")] {
        let ports = container["ports"].as_array().unwrap();
        let port = ports.iter().find(|port| port["name"] == name).unwrap();
        assert_eq!(port["containerPort"].to_string(), given(container, variable), "{name}");
    }
    for service in yaml("deploy/kubernetes/service.yaml") {
        assert!(["http", "admin"].contains(&service["spec"]["ports"][0]["targetPort"].as_str().unwrap()));
    }
    let compose = &yaml("docker-compose.yml")[0]["services"];
    let (server, balancer) = (&compose["server"], read("deploy/compose/haproxy.cfg"));
    assert_eq!(server["ports"], Value::Null, "nodes cannot share a port of the host");
    let (clients, admins) = balancer.split_once("frontend admins").unwrap();
    let ends = [("node", clients, "PORT"), ("admin", admins, "ADMIN_PORT")];
    for ((name, balancer, variable), published) in
        ends.into_iter().zip(compose["balancer"]["ports"].as_array().unwrap())
    {
        let template = format!("server-template {name} 16 server:");
        assert_eq!(line(balancer, &template), server["environment"][variable]);
        assert!(published.as_str().unwrap().ends_with(line(balancer, "bind ")), "{published}");
        assert_eq!(published.as_str().unwrap().starts_with("127.0.0.1:"), name == "admin", "{published}");
    }
}

#[test]
fn a_node_has_time_to_say_goodbye() {
    /// After all that: replies that are cut off are told so, and the last messages are written.
    const LAST: Duration = Duration::from_secs(3);
    let deployment = deployment();
    let pod = &deployment["spec"]["template"]["spec"];
    // The one grace is for requests, and then for streams that are not written yet.
    let drain = ["DRAIN_DELAY", "DRAIN", "DRAIN_GRACE", "DRAIN_GRACE", "LLM_GRACE"];
    let needs = LAST + drain.iter().map(|name| span(&given(&pod["containers"][0], name))).sum::<Duration>();
    assert!(Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap()) > needs, "needs {needs:?}");
    let needs = LAST + drain.iter().map(|name| span(&default(name).unwrap())).sum::<Duration>();
    let patience = yaml("docker-compose.yml")[0]["services"]["server"]["stop_grace_period"].clone();
    assert!(span(patience.as_str().unwrap()) > needs, "needs {needs:?}");
}

/// A balancer that takes silence for death must wait for longer than a stream is silent, and take the longest message.
#[test]
fn balancers_are_as_patient_as_streams_are_silent() {
    let keep_alive = span(&default("KEEP_ALIVE").unwrap());
    let (haproxy, nginx) = (read("deploy/compose/haproxy.cfg"), read("deploy/nginx/rowcast.conf"));
    let times = ["timeout client ", "timeout server "].map(|begin| line(&haproxy, begin).to_owned());
    let times = times.into_iter().chain([line(&nginx, "proxy_read_timeout ").trim_end_matches(';').to_owned()]);
    assert!(times.into_iter().all(|time| span(&time) > 2 * keep_alive));
    let most = line(&nginx, "client_max_body_size ").trim_end_matches("m;").parse::<u64>().unwrap() << 20;
    let content: bytesize::ByteSize = default("MAX_CONTENT").unwrap().parse().unwrap();
    assert!(most > content.as_u64() * 6 + 4096);
}

#[test]
fn one_version_of_each_image_is_used_everywhere() {
    let compose = &yaml("docker-compose.yml")[0]["services"];
    let job = manifest("deploy/kubernetes/migrate/job.yaml", "Job");
    let image = &job["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(*image, compose["postgres"]["image"]);
    let version = env!("CARGO_PKG_VERSION");
    for folder in ["", "migrate/"] {
        let kustomization = manifest(&format!("deploy/kubernetes/{folder}kustomization.yaml"), "Kustomization");
        assert_eq!(kustomization["images"][0]["newTag"], version);
    }
}
