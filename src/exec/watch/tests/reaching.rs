//! Sockets, namespaces, shared objects: what reaches outside.

use super::*;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

fn python(mechanism: Mechanism, code: &str) -> Ran {
    Watched::new(mechanism, &["python3", "-S", "-c", code]).run().succeeded()
}

#[test]
fn the_network_is_told_from_the_runs_own_ports() {
    if !have(&["python3"]) {
        return;
    }
    let outside = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = outside.local_addr().unwrap().port();
    let connect =
        |to: &str| format!("import socket; s = socket.socket(); s.settimeout(0.1); s.connect_ex({to})");
    for mechanism in MECHANISMS {
        let ran = python(mechanism, &connect(&format!("('127.0.0.1', {port})")));
        assert_eq!(ran.trace.hazards, [Hazard::Network(format!("127.0.0.1:{port}"))]);
        let ran = python(mechanism, &connect("('192.0.2.1', 9)"));
        assert_eq!(ran.trace.hazards, [Hazard::Network("192.0.2.1:9".to_owned())]);
        let send = "import socket; s = socket.socket(type=socket.SOCK_DGRAM)\n\
                    try: s.sendto(b'x', ('192.0.2.1', 9))\n\
                    except OSError: pass";
        assert_eq!(python(mechanism, send).trace.hazards, [Hazard::Network("192.0.2.1:9".to_owned())]);
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let ran = python(mechanism, &connect(&format!("('127.0.0.1', {nobody})")));
        assert_eq!(ran.trace.hazards, [Hazard::Network(format!("127.0.0.1:{nobody}"))]);
        let own = "import socket; a = socket.create_server(('127.0.0.1', 0)); b = socket.create_connection(\
                   a.getsockname()); c, _ = a.accept(); b.sendall(b'x'); c.recv(1)";
        assert_eq!(python(mechanism, own).trace.hazards, []);
    }
}

#[test]
fn unix_sockets_are_told_from_the_runs_own() {
    if !have(&["python3"]) {
        return;
    }
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outside");
        let _outside = UnixListener::bind(&path).unwrap();
        let shown = path.display();
        let code = format!("import socket; s = socket.socket(socket.AF_UNIX); s.connect('{shown}')");
        assert_eq!(python(mechanism, &code).trace.hazards, [Hazard::Socket(path)]);
        let own = folder.path().join("own");
        let code = format!(
            "import socket; a = socket.socket(socket.AF_UNIX); a.bind('{0}'); a.listen()\n\
             b = socket.socket(socket.AF_UNIX); b.connect('{0}')\n\
             c, d = socket.socketpair(); c.send(b'x'); d.recv(1)",
            own.display()
        );
        let ran = python(mechanism, &code);
        assert_eq!(ran.trace.hazards, []);
        assert!(ran.access(&own).made && ran.changes == [own]);
        let code = "import socket\n\
                    try: socket.socket(socket.AF_UNIX).connect('\\0nobody-has-this-name')\n\
                    except OSError: pass";
        let expected = Hazard::Socket(PathBuf::from("@nobody-has-this-name"));
        assert_eq!(python(mechanism, code).trace.hazards, [expected]);
        // Users' names are asked of a service that need not be there.
        let ran = python(mechanism, "import pwd; pwd.getpwuid(12345) if False else None; pwd.getpwall()");
        assert_eq!(ran.trace.hazards, []);
    }
}

#[test]
fn everyday_servers_of_a_run_are_its_own() {
    if !have(&["python3"]) {
        return;
    }
    let code = "import multiprocessing as m\n\
                def f(x): return x * x\n\
                if __name__ == '__main__':\n\
                \x20   p = m.Pool(2); print(p.map(f, [1, 2])); p.close(); p.join()\n\
                \x20   with m.Manager() as g: d = g.dict(); d['a'] = 1; print(d['a'])\n";
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.py");
        fs::write(&script, code).unwrap();
        let ran = Watched::new(mechanism, &["python3", script.to_str().unwrap()]).run().whole();
        assert_eq!(ran.output, "[1, 4]\n1\n");
    }
}

#[test]
fn calls_that_leave_the_world_of_paths_are_hazards() {
    if !have(&["gcc"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = r#"
        #define _GNU_SOURCE
        #include <errno.h>
        #include <fcntl.h>
        #include <sched.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/ipc.h>
        #include <sys/shm.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        int main(int argc, char **argv) {
            switch (atoi(argv[1])) {
            case 0: unshare(CLONE_NEWUTS); break;
            case 1: shmget(0x1234, 4096, 0); break;
            case 2: chroot("/"); break;
            case 3: shmctl(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600), IPC_RMID, 0); break;
            case 4: printf("%s\n", syscall(SYS_io_uring_setup, 1, 0) < 0 ? strerror(errno) : "open"); break;
            case 5: syscall(SYS_keyctl, 0, -3, 0); break;
            case 6: { int old = open("/", O_RDONLY); syscall(SYS_pidfd_getfd, old, 0, 0); break; }
            case 7: unshare(CLONE_FILES); break;
            }
            return 0;
        }"#;
    let program = compile(folder.path(), source, &[]);
    let expected: &[&[Hazard]] = &[
        &[Hazard::Namespace("unshare")],
        &[Hazard::SharedObject("shmget")],
        &[Hazard::Namespace("chroot")],
        &[],
        &[],
        &[Hazard::SharedObject("keyctl")],
        &[Hazard::PassedDescriptor],
        &[],
    ];
    // A container's own filter may refuse some of these calls before anybody sees them.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let filtered = !status.lines().any(|line| line.starts_with("Seccomp:") && line.ends_with('0'));
    for mechanism in MECHANISMS {
        for (case, expected) in expected.iter().enumerate() {
            let case = case.to_string();
            let ran = Watched::new(mechanism, &[program.to_str().unwrap(), &case]).run().succeeded();
            if case == "4" && mechanism == Mechanism::Trace {
                assert!(matches!(ran.trace.hazards[..], [Hazard::Incomplete(_)]), "{:?}", ran.trace.hazards);
                continue;
            }
            if ran.trace.hazards.is_empty() && filtered {
                continue;
            }
            assert_eq!(ran.trace.hazards, *expected, "case {case}");
            assert!(case != "4" || ran.output == "Function not implemented\n", "{}", ran.output);
        }
    }
}

#[test]
fn a_pipe_with_a_name_that_was_there_before_can_bring_anything() {
    for mechanism in MECHANISMS {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        assert!(Command::new("mkfifo").arg(folder.path().join("old")).status().unwrap().success());
        let ran = Watched::sh(mechanism, &format!("cd {at}; mkfifo new; echo x > new & cat {at}/new"))
            .run()
            .whole();
        assert_eq!(ran.output, "x\n");
        let ran = Watched::sh(mechanism, &format!("cd {at}; echo x > old & cat old")).run().succeeded();
        assert!(matches!(ran.trace.hazards[..], [Hazard::Incomplete(_)]), "{:?}", ran.trace.hazards);
    }
}
