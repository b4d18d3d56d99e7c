/** What must not leave this machine whatever stands beside it: values known to be secret, and who you are. */
import { readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import type { Cli } from '../cli.ts'

/** What stands there → what is shown in its place. */
export type Masks = readonly (readonly [string, string])[]

const SECRET_NAME = /(TOKEN|SECRET|PASSWORD|PASSPHRASE|CREDENTIAL|KEY|AUTH)/i
/** Hiding a shorter value would hide half of every line. */
const LENGTH_LEAST = 6

export function masksOf(cli: Cli): Masks {
  const { stateDir } = cli.paths()
  const fromEnv = Object.entries(cli.env).flatMap(([name, value]) => (SECRET_NAME.test(name) && value ? [value] : []))
  const kept = namesIn(path.join(stateDir, 'secrets')).map(name => path.join('secrets', name))
  const fromFiles = ['agent-token', 'install.json', ...kept].flatMap(name => secretsIn(path.join(stateDir, name)))
  const secrets = [...fromEnv, ...fromFiles].filter(value => value.length >= LENGTH_LEAST)
  return [
    ...secrets.flatMap(value => [value, encodeURIComponent(value)]).map(value => [value, '[secret]'] as const),
    [cli.env.HOME || homedir(), '~'],
  ]
}

export function masked(text: string, masks: Masks): string {
  return masks.reduce((shown, [what, instead]) => shown.replaceAll(what, instead), text)
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** Whole when it is one line, else each string of its JSON; nothing when it cannot be read from here. */
function secretsIn(file: string): string[] {
  try {
    const text = readFileSync(file, 'utf8').trim()
    if (!text.startsWith('{')) return [text]
    return Object.entries(JSON.parse(text)).flatMap(([name, value]) => (name === 'key' ? [String(value)] : []))
  } catch {
    return []
  }
}
