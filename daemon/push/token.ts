/** The token for a host: looked up by name when it is used, handed on in the environment, never in an argument. */
import type { Config } from '../../src/config/schema.ts'

/** Null when none is meant for the host of `remote`. Never sent over a line that others can read. */
export function tokenFor(
  { tokens }: Config['push'],
  remote: string,
  secrets: (names: readonly string[]) => Record<string, string>,
): string | null {
  const url = URL.canParse(remote) ? new URL(remote) : null
  if (!url || !isSafeLine(url)) return null
  const name = Object.hasOwn(tokens, url.host) ? tokens[url.host] : undefined
  return name === undefined ? null : (secrets([name])[name] ?? null)
}

const isSafeLine = ({ protocol, hostname }: URL) =>
  protocol === 'https:' || (protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(hostname))

/**
 * git-config(1), GIT_CONFIG_COUNT: configuration by the environment. The user name does not matter to GitHub, GitLab,
 * Gitea and Forgejo; the header goes to this origin alone.
 */
export function headerEnv(remote: string, token: string | null): Record<string, string> {
  if (token === null) return {}
  const basic = Buffer.from(`x-access-token:${token}`).toString('base64')
  return {
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: `http.${new URL(remote).origin}/.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${basic}`,
  }
}
