/** Whether an agent has something to log in with, as far as can be told without asking its service. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import type { Config } from '../../src/config/schema.ts'
import { readNodes } from '../../src/store/nodes.ts'
import type { AgentType } from '../../src/task.ts'
import type { Engine } from '../deps.ts'

interface Login {
  message: string
  /** A command that gives it one; null when it has what it needs. */
  hint: string | null
}

/** What the programs' own logins leave behind, in the home of whoever ran them. */
const FILES: Partial<Record<AgentType, string>> = {
  claude: '.claude/.credentials.json',
  codex: '.codex/auth.json',
}

export function loginOf(engine: Engine, { type, env }: Config['agents'][string]): Login {
  if (type === 'command') return { message: '', hint: null }
  const set = env.filter(name => Object.hasOwn(engine.secrets([name]), name))
  if (set.length > 0) return { message: `given ${set.join(', ')}`, hint: null }
  const file = FILES[type]
  const hint = env[0] === undefined ? 'tdf config show --origin' : `tdf secret set ${env[0]}`
  const isLoggedIn = file !== undefined && existsSync(path.join(process.env.HOME ?? '/', file))
  if (isLoggedIn && !hasOthers(engine)) return { message: `logged in by ~/${file}`, hint: null }
  if (isLoggedIn) return { message: `logged in by ~/${file} here alone; other nodes need ${oneOf(env)}`, hint }
  if (file === undefined && env.length === 0) return { message: 'how it logs in is its own matter', hint: null }
  const own = file === undefined ? '' : `, and there is no ~/${file}`
  return { message: `no login was found: ${oneOf(env)} is not set${own}`, hint }
}

const oneOf = (names: readonly string[]) => names.join(' or ') || 'a variable that its table names'

function hasOthers({ store, providers }: Engine): boolean {
  return providers.hetzner !== undefined || readNodes(store.sql).some(({ provider }) => provider !== 'local')
}
