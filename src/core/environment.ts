/** Names of environment variables that programs started by tdf have of the environment of tdf itself. */

const CERTIFICATE_VARIABLES = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'GIT_SSL_CAINFO']

/** A proxy and certificates, as curl, git, node and OpenSSL read them. They hold for all that is started here. */
export const NETWORK_VARIABLES = [
  ...['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap(name => [name, name.toLowerCase()]),
  ...CERTIFICATE_VARIABLES,
]

/** What a program that a task runs has of the environment of the program that starts it. */
export const INHERITED_VARIABLES = [
  ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_ALL', 'TMPDIR', 'XDG_RUNTIME_DIR'],
  ...NETWORK_VARIABLES,
]

/** The named variables, as far as they are set. */
export function pickVariables(
  env: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const name of names) {
    const value = env[name]
    if (value !== undefined) kept[name] = value
  }
  return kept
}

/** Files and folders that the variables of certificates name, absolute ones alone; SSL_CERT_DIR is a list (OpenSSL). */
export const certificatePlaces = (env: Readonly<Record<string, string | undefined>>): string[] =>
  Object.values(pickVariables(env, CERTIFICATE_VARIABLES))
    .flatMap(value => value.split(':'))
    .filter(path => path.startsWith('/') && path !== '/')
