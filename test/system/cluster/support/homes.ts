/** Homes of daemons that share a database. */
import { copyFileSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import type { DaemonStatusJson } from '../../../../src/protocol/control.ts'
import { type Home, makeHome } from '../../../support/daemon/home.ts'

const homes: Home[] = []

/** A home whose daemon shares its state there, with the key of `first` where it is given. `more` is more of its configuration. */
export function memberHome(url: string, name: string, first?: Home, more = ''): Home {
  const home = makeHome(`[store]\nurl = "${url}"\n[cluster]\nname = "${name}"\nlisten = "127.0.0.1:0"\n${more}`)
  homes.push(home)
  if (first) {
    const state = path.join(home.dir, 'state')
    mkdirSync(state, { recursive: true, mode: 0o700 })
    copyFileSync(keyOf(first), keyOf(home))
  }
  return home
}

export const keyOf = ({ dir }: Home) => path.join(dir, 'state', 'cluster.key')

/** Ends every daemon of them and removes them. */
export async function removeHomes(): Promise<void> {
  await Promise.all(homes.splice(0).map(home => home.remove()))
}

export const statusOf = (home: Home) => home.client.call<DaemonStatusJson>({ path: '/status' })

/** For `until`. */
export const serves = (home: Home) => () => statusOf(home).then(({ role }) => role === 'serving')
