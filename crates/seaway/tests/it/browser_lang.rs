//! The language of tests in a real browser: Chromium, driven through ChromeDriver.
//!
//! A [`Browser`] is one visitor with a profile of its own: what one has chosen, another has not. It
//! collects what a page does wrong while it is looked at, and [`Browser::faults`] tells it.

use crate::serve_lang::{PATIENCE, Server};
use fantoccini::elements::Element;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use std::cell::Cell;
use std::future::Future;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// How wide a page is shown: on a desk, and on a phone.
pub(crate) const WIDTHS: [u32; 2] = [1280, 390];

/// Whether tests without what they need have to fail.
fn all_is_required() -> bool {
    std::env::var("SEAWAY_REQUIRE").is_ok_and(|it| it == "all")
}

/// Says that a test is skipped for want of something.
fn skip<T>(what: &str) -> Option<T> {
    assert!(!all_is_required(), "SEAWAY_REQUIRE=all, and {what}");
    eprintln!("skipped: {what}");
    None
}

/// What a visitor prefers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Theme {
    Light,
    Dark,
}

impl Theme {
    pub(crate) const ALL: [Self; 2] = [Self::Light, Self::Dark];
}

/// A visitor's browser, until it is dropped.
pub(crate) struct Browser {
    runtime: Runtime,
    /// `None` once it is closed.
    client: Option<Client>,
    driver: Child,
    server: String,
    /// The profile, and what is downloaded.
    home: TempDir,
    /// How wide pages are shown.
    width: Cell<u32>,
}

/// A command that fantoccini has no name for.
#[derive(Debug)]
struct Other {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Other {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url_error::Error> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// The error of a URL has no other name here.
mod url_error {
    pub(super) type Error = <reqwest::Url as std::str::FromStr>::Err;
}

impl Browser {
    /// A new visitor of a server. `None` where there is no Chromium to be driven.
    pub(crate) fn visits(server: &Server) -> Option<Self> {
        Self::start(server, true)
    }

    /// A visitor whose browser runs no script of any page.
    pub(crate) fn visits_without_scripts(server: &Server) -> Option<Self> {
        Self::start(server, false)
    }

    fn start(server: &Server, scripts: bool) -> Option<Self> {
        let home = TempDir::new().unwrap();
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .env("HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut driver) = driver else { return skip("chromedriver is not installed") };
        let mut said = BufReader::new(driver.stdout.take().unwrap());
        let port = port_of(&mut said);
        // What it says later must find someone who listens.
        std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let capabilities = capabilities(&home, scripts);
        let connected = runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await
        });
        match connected {
            Ok(client) => {
                let browser = Self {
                    runtime,
                    client: Some(client),
                    driver,
                    server: server.url(),
                    home,
                    width: Cell::new(0),
                };
                browser.shows(WIDTHS[0], Theme::Light);
                Some(browser)
            }
            Err(error) => {
                let _ = driver.kill();
                let _ = driver.wait();
                skip(&format!("Chromium does not start: {error}"))
            }
        }
    }

    fn client(&self) -> &Client {
        self.client.as_ref().unwrap()
    }

    fn run<T, E: std::fmt::Display>(
        &self,
        what: &str,
        task: impl Future<Output = Result<T, E>>,
    ) -> T {
        let told = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, task).await });
        match told {
            Ok(Ok(value)) => value,
            Ok(Err(error)) => panic!("{what}: {error}"),
            Err(_) => panic!("{what}: it takes too long"),
        }
    }

    fn issue(&self, path: &'static str, body: Value) -> Value {
        self.run(path, self.client().issue_cmd(Other { path, body }))
    }

    /// A command of Chromium's own protocol.
    fn chromium(&self, command: &str, parameters: Value) -> Value {
        self.issue("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    /// Shows pages so wide, and in the colours that the visitor prefers.
    pub(crate) fn shows(&self, width: u32, theme: Theme) {
        let is_phone = width < 600;
        self.chromium(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": is_phone }),
        );
        let theme = if theme == Theme::Dark { "dark" } else { "light" };
        // Whoever clicks must not have to wait until a page has glided to its place.
        let features = json!([
            { "name": "prefers-color-scheme", "value": theme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.chromium("Emulation.setEmulatedMedia", json!({ "features": features }));
        self.width.set(width);
    }

    /// Opens a page of the server.
    pub(crate) fn open(&self, path: &str) -> &Self {
        self.run(path, self.client().goto(&format!("{}{path}", self.server)));
        self
    }

    /// Opens a page and tells what is wrong with it, looked at so.
    pub(crate) fn faults_of(&self, path: &str, width: u32, theme: Theme, axe: &str) -> Vec<String> {
        self.shows(width, theme);
        self.open(path).faults(axe)
    }

    /// Where the visitor is, without the server.
    pub(crate) fn place(&self) -> String {
        let url = self.run("its URL", self.client().current_url()).to_string();
        url.strip_prefix(&self.server).unwrap_or(&url).to_owned()
    }

    /// Follows a link by clicking it, as the visitor sees it: the first one within `scope` with this
    /// text.
    pub(crate) fn follow(&self, scope: &str, text: &str) -> &Self {
        let before = self.mark("left");
        self.clicks(scope, text);
        self.until("the link leads on", || !self.has_mark(&before));
        self
    }

    fn clicks(&self, scope: &str, text: &str) {
        let script = "const [scope, text] = arguments; \
            const found = [...document.querySelectorAll(scope + ' a')].find(it => it.textContent.trim() === text); \
            if (found) found.scrollIntoView({ block: 'center' }); \
            return found || null";
        let found = self.evaluate(script, vec![json!(scope), json!(text)]);
        assert!(!found.is_null(), "{}: there is no link {text:?} in {scope}", self.place());
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        let link = Element::from_element_id(self.client().clone(), id.into());
        self.run(text, link.click());
    }

    /// Types into a field.
    pub(crate) fn types(&self, field: &str, text: &str) -> &Self {
        self.run(field, async {
            let element = self.client().find(Locator::Css(field)).await?;
            element.send_keys(text).await
        });
        self
    }

    /// Chooses from a list of a form.
    pub(crate) fn chooses(&self, field: &str, value: &str) -> &Self {
        self.run(field, async {
            self.client().find(Locator::Css(field)).await?.select_by_value(value).await
        });
        self
    }

    /// Sets a day in a form: typing one depends on the visitor's language.
    pub(crate) fn sets(&self, field: &str, value: &str) -> &Self {
        let script = "document.querySelector(arguments[0]).value = arguments[1]";
        self.evaluate(script, vec![json!(field), json!(value)]);
        self
    }

    /// Presses a button that leads to another page.
    pub(crate) fn presses(&self, button: &str) -> &Self {
        let before = self.mark("left");
        self.run(button, async { self.client().find(Locator::Css(button)).await?.click().await });
        self.until("the button leads on", || !self.has_mark(&before));
        self
    }

    /// The same where no script runs, and so no mark can be set.
    pub(crate) fn presses_without_scripts(&self, button: &str) -> &Self {
        let before = self.place();
        self.run(button, async { self.client().find(Locator::Css(button)).await?.click().await });
        self.until("the button leads on", || self.place() != before);
        self
    }

    /// Presses a button after which something is there that was not, on a page that may be at the same
    /// place; needs no script.
    pub(crate) fn presses_for(&self, button: &str, what: &str) -> &Self {
        self.run(button, async { self.client().find(Locator::Css(button)).await?.click().await });
        self.run(what, async {
            self.client().wait().for_element(Locator::Css(what)).await.map(drop)
        });
        self
    }

    /// The text of the first element of a kind, as it is seen, on one line.
    pub(crate) fn text(&self, kind: &str) -> String {
        let script = "return document.querySelector(arguments[0]).innerText";
        let text = self.evaluate(script, vec![json!(kind)]);
        one_line(text.as_str().unwrap())
    }

    /// The texts of all elements of a kind, on one line each.
    pub(crate) fn texts(&self, kind: &str) -> Vec<String> {
        let script =
            "return [...document.querySelectorAll(arguments[0])].map(it => it.textContent)";
        let texts = self.evaluate(script, vec![json!(kind)]);
        texts.as_array().unwrap().iter().map(|it| one_line(it.as_str().unwrap())).collect()
    }

    /// What a script tells that the test puts into the page.
    pub(crate) fn evaluate(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.run(script, self.client().execute(script, arguments))
    }

    /// Puts a mark on the page that no other page, and not this one loaded again, has.
    pub(crate) fn mark(&self, name: &str) -> String {
        self.evaluate("window[arguments[0]] = true", vec![json!(name)]);
        name.to_owned()
    }

    /// Whether the page is the one that was marked.
    pub(crate) fn has_mark(&self, name: &str) -> bool {
        self.evaluate("return window[arguments[0]] === true", vec![json!(name)]) == true
    }

    /// Looks at the page again and again until something holds.
    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) -> Duration {
        let since = Instant::now();
        while !holds() {
            assert!(since.elapsed() < PATIENCE, "{}: never came true: {what}", self.place());
            std::thread::sleep(Duration::from_millis(20));
        }
        since.elapsed()
    }

    /// Clicks a link that brings a file, and tells what is in the file.
    pub(crate) fn downloads(&self, text: &str) -> String {
        let folder = self.home.path().join("downloads");
        self.clicks("main", text);
        let file = || {
            let mut files = std::fs::read_dir(&folder).ok()?;
            // The browser takes the name with an empty file, and puts the whole one in its place.
            let is_whole = |path: &PathBuf| {
                let is_csv = path.extension().is_some_and(|it| it == "csv");
                is_csv && std::fs::metadata(path).is_ok_and(|it| it.len() > 0)
            };
            files.find_map(|file| Some(file.ok()?.path()).filter(is_whole))
        };
        self.until("the file is there", || file().is_some());
        let file = file().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(file).unwrap();
        text
    }

    /// What the page did wrong: errors on the console, breaches of the policy among them; a page
    /// that scrolls sideways; and what axe holds to be a serious or critical barrier.
    pub(crate) fn faults(&self, axe: &str) -> Vec<String> {
        let mut faults = self.complaints();
        // A phone shows more of a page that is too wide: its own measure of the window is no help.
        let wide = self.evaluate("return document.scrollingElement.scrollWidth", Vec::new());
        if wide.as_u64() > Some(self.width.get().into()) {
            faults.push(format!("it scrolls sideways: {wide} of {}", self.width.get()));
        }
        faults.extend(self.barriers(axe));
        faults
    }

    /// Errors on the console since it was last asked.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let told = self.issue("se/log", json!({ "type": "browser" }));
        let told = told.as_array().unwrap().iter().filter(|it| it["level"] == "SEVERE");
        told.map(|it| format!("console: {}", it["message"].as_str().unwrap())).collect()
    }

    fn barriers(&self, axe: &str) -> Vec<String> {
        if self.evaluate("return typeof axe", Vec::new()) == "undefined" {
            // As an expression of the driver's, not as a script of the page: its policy takes none.
            self.evaluate(&format!("{axe}\nwindow.axe = axe;"), Vec::new());
        }
        let script = "return axe.run(document, { resultTypes: ['violations'] }).then(found => \
            found.violations.filter(it => it.impact === 'serious' || it.impact === 'critical').map(it => \
            `${it.id} (${it.impact}): ${it.nodes.slice(0, 4).map(node => \
            node.html.slice(0, 160) + ' ' + (node.any[0] || node.all[0] || node.none[0] || {}).message).join(' | ')}`))";
        let found = self.evaluate(script, Vec::new());
        found.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let closing = async { tokio::time::timeout(PATIENCE, client.close()).await };
            let _ = self.runtime.block_on(closing);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The port that ChromeDriver tells as it starts.
fn port_of(said: &mut impl std::io::BufRead) -> u16 {
    for line in said.lines() {
        let line = line.unwrap();
        if let Some((_, port)) = line.split_once("successfully on port ") {
            return port.trim_end_matches('.').parse().unwrap();
        }
    }
    panic!("chromedriver ended without a word of its port");
}

fn capabilities(home: &TempDir, scripts: bool) -> Capabilities {
    let profile = format!("--user-data-dir={}", home.path().join("profile").display());
    let mut arguments = vec![profile];
    arguments.extend(
        [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--lang=en",
        ]
        .map(str::to_owned),
    );
    let downloads = home.path().join("downloads");
    let mut wishes = json!({
        "download.default_directory": downloads, "download.prompt_for_download": false,
    });
    if !scripts {
        wishes["profile.managed_default_content_settings.javascript"] = json!(2);
    }
    let all = json!({
        "browserName": "chrome",
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": { "args": arguments, "prefs": wishes },
    });
    all.as_object().unwrap().clone()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The script of axe-core, which `.ci/run` brings. `None` where it is not there.
pub(crate) fn axe() -> Option<String> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/npm/package/axe.min.js");
    let path = std::env::var_os("SEAWAY_AXE").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    match std::fs::read_to_string(&path) {
        Ok(script) => Some(script),
        Err(_) => skip("axe-core is not there: scripts/axe.sh brings it"),
    }
}
