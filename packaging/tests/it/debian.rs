//! The Debian packages: installed into a folder, and started from there.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::{TempDir, tempdir};
use wstp_testkit::{Service, workspace};

/// Users read more than 2.0 of `systemd-analyze security` as a service that could be confined further. In tenths.
const EXPOSED: u32 = 20;

/// A folder in which Debian packages are installed as in a system.
struct System {
    folder: TempDir,
}

impl System {
    /// A system without packages.
    fn new() -> Self {
        let folder = tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let database = folder.path().join("var/lib/dpkg");
        for part in ["info", "updates", "triggers"] {
            fs::create_dir_all(database.join(part)).unwrap();
        }
        fs::write(database.join("status"), "").unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        Self { folder }
    }

    /// The path here of one in the system.
    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// Runs dpkg on it. The packages' dependencies belong to the machine, and are not in the folder.
    fn dpkg(&self, action: &str, what: &[PathBuf]) {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "dpkg", "--force-not-root", "--force-script-chrootless"]);
        command.args(["--force-depends", "--log=/dev/null"]).arg(format!("--root={}", self.folder.path().display()));
        succeeds(command.arg(action).args(what));
    }
}

fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The packages of the programs as they were built for the tests.
fn packages(scratch: &Path) -> Vec<PathBuf> {
    let built = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let release = scratch.join("release");
    wstp_packaging::write_manual(&release.join("manual")).unwrap();
    for program in ["wstp-server", "wstp"] {
        symlink(built.join(program), release.join(program)).unwrap();
    }
    let packages = ["wstp-server", "wstp-cli"].map(|package| {
        let output = scratch.join(format!("{package}.deb"));
        let mut command = Command::new("cargo");
        command.args(["deb", "--quiet", "--offline", "--no-build", "-Zgz", "--compress-system", "--package"]);
        command.arg(package).arg("--output").arg(&output);
        succeeds(command.current_dir(workspace()).env("CARGO_TARGET_DIR", scratch));
        output
    });
    packages.into()
}

/// Has systemd read the installed units. It looks for their programs outside of the folder, so it gets a copy that names
/// the program within.
fn verify_units(system: &System, scratch: &Path) {
    let copies = ["wstp-server.service", "wstp-server.socket"].map(|name| {
        let unit = fs::read_to_string(system.path(&format!("/usr/lib/systemd/system/{name}"))).unwrap();
        let program = system.path("/usr/bin/wstp-server");
        let copy = scratch.join(name);
        fs::write(&copy, unit.replace("/usr/bin/wstp-server", program.to_str().unwrap())).unwrap();
        copy
    });
    let output = succeeds(Command::new("systemd-analyze").args(["verify", "--man=no"]).args(copies));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "systemd warns of keys that it does not know");
}

#[tokio::test]
async fn the_packages_install_and_the_server_starts_as_its_unit_says() {
    let (scratch, system) = (tempdir().unwrap(), System::new());
    system.dpkg("--install", &packages(scratch.path()));
    let users = fs::read_to_string(system.path("/etc/passwd")).unwrap();
    assert!(users.contains("wstp:") && users.contains("/var/lib/wstp:/usr/sbin/nologin"), "{users}");
    for page in ["wstp-server.1", "wstp-server-user-add.1", "wstp.1", "wstp-get.1"] {
        assert!(system.path(&format!("/usr/share/man/man1/{page}.gz")).is_file(), "{page}");
    }
    let unit = system.path("/usr/lib/systemd/system/wstp-server.service");
    verify_units(&system, scratch.path());
    let threshold = format!("--threshold={EXPOSED}");
    succeeds(Command::new("systemd-analyze").args(["security", "--offline=yes", &threshold]).arg(&unit));

    let films = tempdir().unwrap();
    fs::write(films.path().join("film"), "a film").unwrap();
    let settings = system.path("/etc/wstp/wstp.toml");
    let share = format!("{}\n[shares.films]\npath = {:?}\n", fs::read_to_string(&settings).unwrap(), films.path());
    fs::write(&settings, share).unwrap();
    let unit = fs::read_to_string(unit).unwrap();
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let mut words = line.split(' ').map(|word| if word.starts_with('/') { system.path(word) } else { word.into() });
    let mut command = Service::handing_over(&words.next().unwrap());
    command.args(words).env("STATE_DIRECTORY", system.path("/var/lib/wstp"));
    command.env("CACHE_DIRECTORY", system.path("/var/cache/wstp"));
    let (socket, address) = Service::socket().unwrap();
    let log = scratch.path().join("log");
    let service = Service::start(&mut command, socket, &log).unwrap();
    assert_eq!(service.tells().await.unwrap(), "READY=1", "{:?}", fs::read_to_string(&log));
    let mut get = Command::new(system.path("/usr/bin/wstp"));
    succeeds(get.args(["get", "--quiet", &format!("{address}/films/film"), "-o"]).arg(scratch.path().join("got")));
    assert_eq!(fs::read(scratch.path().join("got")).unwrap(), b"a film");
    service.terminate().unwrap();
    assert!(service.ended().await.unwrap().success());

    // systemd makes it when the service starts.
    let state = system.path("/var/lib/wstp");
    fs::create_dir_all(&state).unwrap();
    let names = || ["wstp-server".into(), "wstp".into()];
    system.dpkg("--remove", &names());
    assert!(!system.path("/usr/bin/wstp-server").exists());
    assert!(settings.exists() && state.exists(), "settings and users stay until the package is purged");
    system.dpkg("--purge", &names());
    assert!(!settings.exists() && !state.exists());
}
