/** With what the daemon asks the server of a repository: a token by host, or what the git and ssh of its user have. */
import type { Config } from '../../../src/config/schema/config.ts'
import { TdfError } from '../../../src/core/errors.ts'
import type { RepoSource } from '../../../src/core/source.ts'
import type { PlannedSourceJson } from '../../../src/protocol/control.ts'
import type { Engine } from '../../services.ts'
import { credentialEnv, tokenFor } from '../push/branch.ts'
import type { Repository } from '../repository.ts'

/** What a url is read with: no value of it, but its name. */
export interface Credential {
  /** Completes `cannot be read with …`. */
  how: string
  /** What the configuration would have to say; empty where it says enough. */
  advice: string
  /** The commands that may mend a refusal; the id of the task is open in it. */
  remedy: string
}

export interface Access extends Credential {
  /** More variables for git. */
  env: Record<string, string>
}

type Secrets = (names: readonly string[]) => Record<string, string>
type Settings = Pick<Config, 'repositories' | 'push'>

/** ssh(1): never a question, and an end to a server that is silent. */
const SSH = 'ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4'
/** Programs that would open a window: git-credential-manager's documentation, GCM_INTERACTIVE. */
const NO_WINDOWS = { GCM_INTERACTIVE: 'never' }

export async function accessTo(
  url: string,
  settings: Settings,
  secrets: Secrets,
  repository: Pick<Repository, 'may'>,
): Promise<Access> {
  const credential = credentialFor(url, settings, secrets)
  const env = isHttp(url)
    ? credentialEnv(url, tokenFor({ tokens: tokensOf(settings) }, url, secrets))
    : await sshEnv(repository)
  return { ...credential, env: { ...NO_WINDOWS, ...env } }
}

export function credentialFor(url: string, settings: Settings, secrets: Secrets): Credential {
  if (!isHttp(url)) {
    const remedy = `git ls-remote ${quoted(url)} && tdf retry {task}`
    return { how: "the ssh keys of the daemon's user", advice: '', remedy }
  }
  const { host } = new URL(url)
  const tokens = tokensOf(settings)
  const named = Object.hasOwn(tokens, host) ? tokens[host] : undefined
  const name = named ?? suggestedName(host)
  const remedy = `tdf secret set ${name} && tdf retry {task}`
  if (named === undefined) {
    const line = `[repositories] tokens = { ${JSON.stringify(host)} = ${JSON.stringify(name)} }`
    return { how: "the git credentials of the daemon's user", advice: `; ${line} would name a secret`, remedy }
  }
  if (tokenFor({ tokens }, url, secrets) !== null) return { how: `the secret ${name}`, advice: '', remedy }
  const advice = `; ${name} is not set, or the line is not encrypted`
  return { how: "the git credentials of the daemon's user", advice, remedy }
}

const isHttp = (url: string) => /^https?:/.test(url)
const tokensOf = ({ repositories, push }: Settings) => ({ ...push.tokens, ...repositories.tokens })

/** `github.com` → `GITHUB_TOKEN`. */
function suggestedName(host: string): string {
  const words = host
    .toUpperCase()
    .replace(/:\d+$/, '')
    .split(/[^A-Z0-9]+/)
  const name = (words.length === 2 ? words.slice(0, 1) : words).join('_')
  return /^[A-Z]/.test(name) ? `${name}_TOKEN` : `GIT_${name}_TOKEN`
}

/** An ssh command of the user's own is used as it is. */
async function sshEnv(repository: Pick<Repository, 'may'>): Promise<Record<string, string>> {
  const { exitCode } = await repository.may(['config', '--get', 'core.sshCommand'], { asOwner: true })
  const isOwn = exitCode === 0 || Boolean(process.env.GIT_SSH_COMMAND)
  return isOwn ? {} : { GIT_SSH_COMMAND: SSH }
}

const quoted = (text: string) => (/^[\w@:/.~+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

/** For `submit --dry-run`; null for what is uploaded. */
export function plannedSource(
  { config, secrets }: Pick<Engine, 'config' | 'secrets'>,
  repo: RepoSource,
): PlannedSourceJson | null {
  if (repo.kind !== 'git') return null
  const { fetch } = config.repositories
  return { fetch, credential: fetch === 'node' ? null : credentialFor(repo.url, config, secrets).how }
}

/** What a server said no to. */
export function denied(url: string, { how, advice, remedy }: Credential, said: string): TdfError {
  const message = `${url} cannot be read with ${how}${advice}: ${said}`
  return new TdfError('SOURCE_DENIED', message, { hint: remedy })
}
