/** A home with its daemon and a repository, there for all tests of the file or group that asks for it. */
import { afterAll, beforeAll } from 'vitest'
import { type Home, makeHome, makeRepository } from './home.ts'

const START_MS_MAX = 180_000
const END_MS_MAX = 60_000

export function withDaemon(config = ''): { home: Home; repo: ReturnType<typeof makeRepository> } {
  const home = makeHome(config)
  const repo = makeRepository()
  beforeAll(async () => void (await home.start()), START_MS_MAX)
  afterAll(async () => {
    await home.remove()
    repo.remove()
  }, END_MS_MAX)
  return { home, repo }
}
