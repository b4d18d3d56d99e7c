/**
 * What a sandbox has to keep, tried from inside before every command: a kernel or a bwrap that does not keep it shows
 * here, and the command does not start.
 */

/** The exit code of a self-test that got what it must not get; what that was is on its stderr. */
export const NOT_CONFINED = 126

/** Opened for writing and left as they are. */
const SEALED = [
  ...[
    '/proc/sys/kernel/core_pattern',
    '/proc/sys/kernel/hostname',
    '/proc/sys/kernel/modprobe',
    '/proc/sys/vm/drop_caches',
  ],
  ...['/proc/sysrq-trigger', '/proc/irq/default_smp_affinity', '/sys/kernel/uevent_helper', '/sys/power/state'],
  ...['/etc/passwd', '/etc/ld.so.preload'],
]

/**
 * A script of sh(1), whose words are the program that is to be started and a file that must not be there. Ends with 127
 * when there is no such program, with NOT_CONFINED and a line on stderr when it is not confined.
 */
export const selfTest = `
refuse() { echo "$1" >&2; exit ${NOT_CONFINED}; }
for file in ${SEALED.join(' ')}; do
  if [ -e "$file" ] && (: >> "$file") 2>/dev/null; then refuse "$file can be written"; fi
done
if [ "$(id -u)" -eq 0 ]; then refuse 'it runs as root'; fi
read -r first < /proc/1/comm
if [ "$first" != bwrap ]; then refuse 'processes of the machine can be seen'; fi
for descriptor in /proc/$$/fd/*; do
  case \${descriptor##*/} in 0|1|2) ;; *) if [ -e "$descriptor" ]; then refuse "it has the open file \${descriptor##*/}"; fi ;; esac
done
if [ -e "$1" ]; then refuse "$1 can be seen"; fi
for folder in / /usr /etc; do
  if (: > "$folder/.tdf") 2>/dev/null; then rm -f "$folder/.tdf"; refuse "$folder can be written"; fi
done
command -v "$0" > /dev/null || exit 127
`
