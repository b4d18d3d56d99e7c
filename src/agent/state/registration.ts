/** The daemon that this node belongs to, and where pushes go. Kept over restarts. */
import { join } from 'node:path'
import { type Registration, registration } from '../../protocol/agent-api.ts'
import { readJson, writeJson } from './json-file.ts'

export interface RegistrationStore {
  current(): Registration | null
  replace(next: Registration): void
}

/** A registration for another node name belongs to a state folder that was renamed by `--name`, and says nothing now. */
export function openRegistration(state: string, nodeName: string): RegistrationStore {
  const path = join(state, 'registration.json')
  const known = readJson(path, registration)
  let current = known?.nodeName === nodeName ? known : null
  return {
    current: () => current,
    replace: next => {
      writeJson(path, next)
      current = next
    },
  }
}
