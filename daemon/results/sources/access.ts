/** With what the daemon asks the server of a repository: a token by host, or what the git and ssh of its user have. */
import type { Config } from '../../../src/config/schema/schema.ts'
import { TdfError } from '../../../src/core/errors.ts'
import { headerEnv, tokenFor } from '../push/branch.ts'
import type { Repository } from '../repository.ts'

export interface Access {
  /** More variables for git. */
  env: Record<string, string>
  /** What is used, for people: completes `was refused …`. */
  how: string
  /** The commands that may mend a refusal; the id of the task is open in it. */
  remedy: string
}

type Secrets = (names: readonly string[]) => Record<string, string>

/** ssh(1): never a question, and an end to a server that is silent. */
const SSH = 'ssh -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax=4'
/** Programs that would open a window: git-credential-manager's documentation, GCM_INTERACTIVE. */
const NO_WINDOWS = { GCM_INTERACTIVE: 'never' }

export async function accessTo(
  url: string,
  { repositories, push }: Pick<Config, 'repositories' | 'push'>,
  secrets: Secrets,
  repository: Pick<Repository, 'may'>,
): Promise<Access> {
  if (!/^https?:/.test(url)) {
    return {
      env: { ...NO_WINDOWS, ...(await sshEnv(repository)) },
      how: "the ssh keys of the daemon's user",
      remedy: `git ls-remote ${quoted(url)} && tdf retry {task}`,
    }
  }
  const { host } = new URL(url)
  const tokens = { ...push.tokens, ...repositories.tokens }
  const name = Object.hasOwn(tokens, host) ? tokens[host] : undefined
  const token = tokenFor({ tokens }, url, secrets)
  return {
    env: { ...NO_WINDOWS, ...headerEnv(url, token) },
    how: howFor(host, name, token),
    remedy: `tdf secret set ${name ?? suggestedName(host)} && tdf retry {task}`,
  }
}

function howFor(host: string, name: string | undefined, token: string | null): string {
  if (token !== null) return `the secret ${name}`
  if (name !== undefined) return `no token, since the secret ${name} is not set or the line is not encrypted`
  const line = `tokens = { ${JSON.stringify(host)} = ${JSON.stringify(suggestedName(host))} }`
  return `the git credentials of the daemon's user; [repositories] ${line} in the configuration would name a secret`
}

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

/** What a server said no to. */
export function denied(url: string, { how, remedy }: Access, said: string): TdfError {
  const message = `${url} cannot be read with ${how}: ${said}`
  return new TdfError('SOURCE_DENIED', message, { hint: remedy })
}
