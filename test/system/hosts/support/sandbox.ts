/**
 * What each directive of the daemon's sandbox does, as it can be seen on a running machine: in the namespaces of the
 * daemon, in what the kernel says of its process, or by an attempt in a service that has the same directives.
 */

/** A shell command, run by root in the daemon's mount namespace with `$pid` its process; exit 0 when it is in force. */
export const SEEN_FROM_OUTSIDE: Record<string, string> = {
  'NoNewPrivileges=yes': 'grep -q "^NoNewPrivs:.1$" /proc/$pid/status',
  'CapabilityBoundingSet=': 'grep -q "^CapBnd:.0*$" /proc/$pid/status',
  'PrivateUsers=yes': 'test "$(readlink /proc/$pid/ns/user)" != "$(readlink /proc/self/ns/user)"',
  'PrivateMounts=yes': 'test "$(readlink /proc/$pid/ns/mnt)" != "$machine_mounts"',
  'ProtectHostname=yes': 'test "$(readlink /proc/$pid/ns/uts)" != "$(readlink /proc/self/ns/uts)"',
  'ProtectSystem=strict': '! touch /usr/local/mine && ! touch /srv/mine && touch /var/lib/tdf/mine',
  'ProtectHome=yes': 'test -z "$(ls -A /home)" && test -z "$(ls -A /root)"',
  'PrivateTmp=yes': '! test -e /tmp/of-the-machine',
  'PrivateDevices=yes': '! test -e /dev/console',
  'ProtectControlGroups=yes':
    'for at in /sys/fs/cgroup/systemd /sys/fs/cgroup; do test -d $at && break; done; ! { mkdir $at/mine && rmdir $at/mine; }',
  'ProtectProc=invisible': 'grep -q "hidepid=invisible" /proc/$pid/mountinfo',
  'ProcSubset=pid': '! test -e /proc/meminfo',
  'ProtectKernelTunables=yes': '! test -e /proc/sys/kernel && ! touch /sys/kernel/mine',
}

/** Python statements that a user without privileges may do anywhere else; they raise where the directive is in force. */
export const SEEN_BY_AN_ATTEMPT: Record<string, string> = {
  'LockPersonality=yes': 'call("personality", 0x0040000)',
  'RestrictSUIDSGID=yes': 'open("/tmp/mine", "w"); os.chmod("/tmp/mine", 0o4755)',
  'RestrictNamespaces=yes': 'call("unshare", 0x10000000)',
  'RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6': 'socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)',
  'SystemCallFilter=@system-service': 'call("ptrace", 0, 0, 0, 0)',
  'SystemCallFilter=~@privileged @resources': 'os.nice(1)',
}

/** What the daemon needs of the same directives: statements that do not raise. */
export const NEEDED: Record<string, string> = {
  'ssh runs a command of its options as its own user':
    'os.setresgid(*[os.getgid()] * 3); os.setresuid(*[os.getuid()] * 3)',
}

/** Those of which nothing can be seen here, and why. */
export const NOT_TO_BE_SEEN: Record<string, string> = {
  'AmbientCapabilities=': 'no user of such a machine has ambient capabilities',
  'ProtectKernelLogs=yes': 'a container has no kernel log',
  'ProtectKernelModules=yes': 'a container has no modules of its own, and no right to load any',
  'ProtectClock=yes': 'a container may not set the clock anyway',
  'RestrictRealtime=yes': 'a user without privileges may not ask for it anyway',
  'DevicePolicy=closed': 'the manager of a container may not set the devices of a control group of version 1',
  'KeyringMode=private': 'a container may not use keyrings',
  'RemoveIPC=yes': 'the daemon makes no IPC objects that could be left',
  'SystemCallArchitectures=native': 'there is no program of another architecture to be refused',
  'SystemCallErrorNumber=EPERM': 'it says how the others refuse',
  'SystemCallFilter=setresuid setresgid': 'it allows what the daemon needs',
}

/** Prints, as a list, what of the attempts above was refused. */
export const ATTEMPTS = `
import ctypes, json, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *words):
    if getattr(libc, name)(*words) < 0: raise OSError(ctypes.get_errno(), name)
refused = []
for directive, attempt in json.loads(os.environ["ATTEMPTS"]).items():
    if os.fork() == 0:
        try: exec(attempt)
        except OSError: os._exit(1)
        os._exit(0)
    if os.wait()[1] != 0: refused.append(directive)
print(json.dumps(refused))
`
