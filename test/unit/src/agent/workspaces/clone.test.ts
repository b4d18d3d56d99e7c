/** The network between a node and the server of a repository fails, comes back, refuses and hangs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { isPassingFailure, kindOfFailure } from '../../../../../src/platform/git.ts'
import { afterFile } from '../../../../support/after-file.ts'
import { type AgentProcess, startAgentProcess } from '../support/agent.ts'
import { eventually, tempFolder } from '../support/temp.ts'
import { builtWorkspace, git, readyWorkspace, repository, statusOf, workspaceBody } from '../support/work.ts'

type Fault = (response: ServerResponse, request: IncomingMessage) => void

let agent: AgentProcess
/** A bare repository that any server of files can hand out (the "dumb" protocol of gitprotocol-http(5)). */
let bare: string

beforeAll(async () => {
  bare = join(tempFolder(), 'repo.git')
  git('/', 'clone', '-q', '--bare', repository(), bare)
  git(bare, 'update-server-info')
  agent = await startAgentProcess({ env: { TDF_CLONE_RETRY_MS: '1' } })
})

/** Serves the repository, after the first requests met a fault each. */
async function server(...faults: Fault[]): Promise<{ url: string; asked: () => number }> {
  let asked = 0
  const listening = http.createServer((request, response) => {
    const fault = faults[asked++]
    if (fault) return fault(response, request)
    const file = join(bare, new URL(request.url ?? '', 'http://localhost').pathname.replace('/repo.git/', ''))
    if (existsSync(file)) response.end(readFileSync(file))
    else response.writeHead(404).end()
  })
  await new Promise<void>(resolve => listening.listen(0, '127.0.0.1', resolve))
  afterFile(() => {
    listening.closeAllConnections()
    listening.close()
  })
  const url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}/repo.git`
  return { url, asked: () => asked }
}

const status =
  (code: number): Fault =>
  response =>
    response.writeHead(code).end()
const cutOff: Fault = (_response, request) => request.socket.destroy()
const hang: Fault = () => {}

async function failureOf(url: string): Promise<{ errorMessage: string; isPassing?: boolean }> {
  const id = await builtWorkspace(agent, workspaceBody(url))
  return (await agent.get(`/workspaces/${id}`)).json
}

describe('a clone', () => {
  it.each([
    ['503', status(503)],
    ['429', status(429)],
    ['a connection that is cut off', cutOff],
  ])('that met %s twice is there all the same', async (_, fault) => {
    const { url } = await server(fault, fault)
    expect(await statusOf(agent, await readyWorkspace(agent, url))).toBe('ready')
  })

  it.each([401, 403, 404])('that is refused with %s is not tried again', async code => {
    const { url, asked } = await server(...Array<Fault>(9).fill(status(code)))
    const { errorMessage, isPassing } = await failureOf(url)
    expect([errorMessage, isPassing]).toEqual([expect.not.stringContaining('tried'), undefined])
    expect(asked()).toBe(1)
  })

  it('that never succeeds says how often it was tried', async () => {
    const { url, asked } = await server(...Array<Fault>(9).fill(status(503)))
    const { errorMessage, isPassing } = await failureOf(url)
    expect([errorMessage, isPassing]).toEqual([expect.stringMatching(/503.* \(tried 5 times\)$/), true])
    expect(asked()).toBe(5)
  })

  it('from a port where nothing listens is tried again', async () => {
    const { errorMessage, isPassing } = await failureOf('http://127.0.0.1:1/repo.git')
    expect([errorMessage, isPassing]).toEqual([expect.stringMatching(/\(tried 5 times\)$/), true])
  })
})

describe('a clone that hangs', () => {
  /** Of this machine, those with the text in their command line. */
  const running = (text: string) =>
    readdirSync('/proc').filter(pid => {
      try {
        return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(text)
      } catch {
        return false
      }
    })

  it.each(['stop', 'delete'])('ends with every process of git at %s, and its place is free', async how => {
    const { url, asked } = await server(hang, hang)
    const bodies = [workspaceBody(url), workspaceBody(url)]
    for (const body of bodies) await agent.post('/workspaces', body)
    await eventually('both wait for the server', async () => asked() === 2)
    expect(running(url)).not.toEqual([])
    for (const { workspaceId } of bodies) {
      const answer =
        how === 'stop'
          ? await agent.post(`/workspaces/${workspaceId}/stop`)
          : await agent.delete(`/workspaces/${workspaceId}`)
      expect(answer.status).toBeLessThan(300)
    }
    await eventually('git has ended', async () => running(url).length === 0)
    await readyWorkspace(agent, `file://${bare}`)
  })
})

describe('what git says', () => {
  it.each([
    ['fatal: unable to access …: Could not resolve host: example.com', true],
    ['ssh: Could not resolve hostname example.com: Temporary failure in name resolution', true],
    ['ssh: connect to host example.com port 22: Connection timed out', true],
    ['fatal: early EOF\nfatal: fetch-pack: invalid index-pack output', true],
    ['git@example.com: Permission denied (publickey).\nfatal: the remote end hung up unexpectedly', false],
    ['Host key verification failed.\nfatal: Could not read from remote repository.', false],
    ["fatal: couldn't find remote ref refs/pull/1/head", false],
    ['fatal: something that nobody has seen before', false],
  ])('%s: tried again is %s', (said, again) => {
    expect(isPassingFailure(said)).toBe(again)
  })

  it.each([
    ["fatal: could not read Username for 'https://code.example': terminal prompts disabled", 'denied'],
    ["remote: Not Found\nfatal: repository 'https://code.example/r.git/' not found", 'denied'],
    ['ERROR: Repository not found.\nfatal: Could not read from remote repository.', 'denied'],
    ['fatal: unable to access …: The requested URL returned error: 403', 'denied'],
    ['fatal: unable to access …: The requested URL returned error: 410', 'final'],
    ['fatal: unable to access …: The requested URL returned error: 429', 'passing'],
    ['fatal: remote error: upload-pack: not our ref 1234', 'no ref'],
  ])('%s: its kind is %s', (said, kind) => {
    expect(kindOfFailure(said)).toBe(kind)
  })
})
