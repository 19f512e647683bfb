//! The first visit, and the login.

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde::Serialize;
use wstp_admin_messages::{FirstVisit, Login};
use wstp_ui::button::{Button, Weight};
use wstp_ui::field::TextField;

use crate::server::{Server, post};

/// Asks for the code in the server's log, and makes the first administrator.
#[component]
pub fn First(server: Server) -> impl IntoView {
    let (code, name, password, again) = (
        RwSignal::new(String::new()),
        RwSignal::new(String::new()),
        RwSignal::new(String::new()),
        RwSignal::new(String::new()),
    );
    let form = Form::new(server);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        if password.get_untracked() != again.get_untracked() {
            return form.complaint.set("The two passwords differ.".to_owned());
        }
        let first = FirstVisit {
            code: code.get_untracked(),
            name: name.get_untracked().trim().to_owned(),
            password: password.get_untracked(),
        };
        form.send("api/first", first);
    };
    view! {
        <main class="enter">
            <h1>"Set up this server"</h1>
            <p>
                "The server's log shows a code for the first visit. With it you make the first administrator. From then on
                everybody has to log in to download, except from public shares."
            </p>
            <form on:submit=submit>
                <TextField label="Code in the server's log".to_owned() value=code placeholder="ABCD-EFGH-JKLM" testid="code" />
                <TextField label="Your name".to_owned() value=name testid="name" />
                <TextField label="Password, 8 characters or more".to_owned() value=password is_secret=true testid="password" />
                <TextField label="The same again".to_owned() value=again is_secret=true testid="again" />
                <Complaint form=form />
                <Button weight=Weight::Primary submit=true disabled=form.is_busy testid="enter">"Begin"</Button>
            </form>
        </main>
    }
}

/// Asks for name and password.
#[component]
pub fn LogIn(server: Server) -> impl IntoView {
    let (name, password) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let form = Form::new(server);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let login = Login { name: name.get_untracked().trim().to_owned(), password: password.get_untracked() };
        form.send("api/login", login);
    };
    view! {
        <main class="enter">
            <h1>"Administer this server"</h1>
            <p>"Log in as a user with the role admin."</p>
            <form on:submit=submit>
                <TextField label="Name".to_owned() value=name testid="name" />
                <TextField label="Password".to_owned() value=password is_secret=true testid="password" />
                <Complaint form=form />
                <Button weight=Weight::Primary submit=true disabled=form.is_busy testid="enter">"Log in"</Button>
            </form>
        </main>
    }
}

/// A form that is sent.
#[derive(Clone, Copy)]
struct Form {
    server: Server,
    complaint: RwSignal<String>,
    is_busy: RwSignal<bool>,
}

impl Form {
    fn new(server: Server) -> Self {
        Self { server, complaint: RwSignal::new(String::new()), is_busy: RwSignal::new(false) }
    }

    fn send<B: Serialize + 'static>(self, path: &'static str, body: B) {
        self.is_busy.set(true);
        self.complaint.set(String::new());
        spawn_local(async move {
            match post::<_, serde_json::Value>(path, &body).await {
                Ok(_) => self.server.look(),
                Err(words) => self.complaint.set(words),
            }
            self.is_busy.set(false);
        });
    }
}

#[component]
fn Complaint(form: Form) -> impl IntoView {
    view! {
        <p class="field-complaint" role="alert" data-testid="complaint">
            {form.complaint}
        </p>
    }
}
