/** What stands around a task, such as the way out of the network or the umask, is what programs of a person expect. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { TaskJson } from '../../../../src/protocol/control.ts'
import { type GitServer, gitServer } from '../../../support/daemon/git-server.ts'
import { makeHome, makeRepository, tdf, tdfWith } from '../../../support/daemon/home.ts'

const TOKEN = 'token-of-the-git-server'
/** Only the proxy knows its host. */
const ADDRESS = 'http://code.example/repo.git'
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'
const home = makeHome(`
[agents.seen]
type = "command"
command = ["sh", "-c", '''
env > $HOME/agent.env; umask > $HOME/agent.umask; stat -c %a .. > $HOME/around
stat -c %a . script.sh a/b.txt a > $HOME/modes
find . ! -type l ! -perm -004 > $HOME/closed
echo new > new.txt; stat -c %a new.txt >> $HOME/modes
sleep 0''']
install = "env; umask"
[agents.lost]
type = "command"
command = ["no-such-agent"]
`)
const served = mkdtempSync(path.join(tmpdir(), 'tdf-served-'))
let server: GitServer
let proxy: http.Server
const asked: string[] = []
let variables: Record<string, string>
let task: TaskJson

/** Takes requests for any host to the git server, with the password that only it has. */
function startProxy(): Promise<http.Server> {
  const listener = http.createServer((request, response) => {
    const { method = 'GET', url = '', headers } = request
    asked.push(url)
    const authorization = `Basic ${Buffer.from(`you:${TOKEN}`).toString('base64')}`
    const onward = http.request(`${server.url}${new URL(url).pathname}${new URL(url).search}`, {
      method,
      headers: { ...headers, authorization },
    })
    onward.on('response', answer => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    request.pipe(onward)
  })
  return new Promise(resolve => listener.listen(0, '127.0.0.1', () => resolve(listener)))
}

function repositoryToServe(): void {
  const { dir } = makeRepository()
  execFileSync('sh', ['-c', 'echo "#!/bin/sh" > script.sh; chmod 755 script.sh; mkdir a; echo b > a/b.txt'], {
    cwd: dir,
  })
  execFileSync('git', ['add', '--all'], { cwd: dir })
  execFileSync('git', ['-c', 'user.name=you', '-c', 'user.email=you@localhost', 'commit', '-qm', 'files'], { cwd: dir })
  execFileSync('git', ['clone', '--quiet', '--bare', dir, path.join(served, 'repo.git')])
}

beforeAll(async () => {
  repositoryToServe()
  server = await gitServer(served, TOKEN)
  proxy = await startProxy()
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  variables = {
    ...{ http_proxy: address, HTTP_PROXY: address, https_proxy: address, HTTPS_PROXY: address },
    ...{ all_proxy: address, ALL_PROXY: address, no_proxy: '127.0.0.1', NO_PROXY: '127.0.0.1' },
    ...{ NODE_EXTRA_CA_CERTS: CERTIFICATES, SSL_CERT_FILE: CERTIFICATES, SSL_CERT_DIR: '/etc/ssl/certs' },
    GIT_SSL_CAINFO: CERTIFICATES,
  }
  await home.start(variables)
  const words = ['--agent', 'seen', '--setup', probe('setup'), '--check', probe('check'), '--wait', '--json', 'look']
  const { out, err } = await tdf(home, 'submit', '--repo', ADDRESS, ...words)
  expect(err).not.toContain('error')
  task = JSON.parse(out)
}, 180_000)

const probe = (name: string) => `env > $HOME/${name}.env; umask > $HOME/${name}.umask`
const read = (name: string) => readFileSync(path.join(home.dir, name), 'utf8')

afterAll(async () => {
  await home.remove()
  await server.close()
  proxy.close()
  rmSync(served, { recursive: true, force: true })
})

it('a repository is cloned through the proxy of the daemon', () => {
  expect(task).toMatchObject({ status: 'completed' })
  expect(asked[0]).toBe(`${ADDRESS}/info/refs?service=git-upload-pack`)
})

it.each(['agent', 'setup', 'check'])(
  'the %s of a local task has the variables of a proxy and of certificates',
  name => {
    expect(variablesIn(read(`${name}.env`))).toMatchObject(variables)
  },
)

it('an install command has them, too, and the umask of a person', () => {
  const installs = path.join('state', 'agent', 'installs')
  const [folder = ''] = readdirSync(path.join(home.dir, installs))
  const said = read(path.join(installs, folder, 'output.log'))
  expect(variablesIn(said)).toMatchObject(variables)
  expect(said).toMatch(/\n0022\n$/)
})

it('the units of the service have them, but no password of a proxy', async () => {
  const words = ['daemon', 'install', '--user', '--print']
  const env = { ...variables, https_proxy: 'http://me:pa55word@proxy.example:3128' }
  const { out } = await tdfWith(home, { env }, ...words)
  for (const unit of out.split('# /').filter(text => text.includes('[Service]') && text.includes('ExecStart'))) {
    expect(unit).toContain(`Environment="HTTPS_PROXY=${variables.HTTPS_PROXY}"`)
    expect(unit).toContain(`Environment="NODE_EXTRA_CA_CERTS=${CERTIFICATES}"`)
  }
  expect(out.split('Environment="NO_PROXY=127.0.0.1"')).toHaveLength(3)
  expect(out).not.toContain('pa55word')
})

it('agent, setup and check run with the umask of a person, in a work tree with the modes of a clone', () => {
  for (const name of ['agent', 'setup', 'check']) expect(read(`${name}.umask`), name).toBe('0022\n')
  expect(read('modes').split('\n').slice(0, 5)).toEqual(['755', '755', '644', '755', '644'])
})

it('everything of .git is as open as git makes it, and the workspace is closed around', () => {
  expect(read('closed')).toBe('')
  expect(read('around')).toBe('700\n')
  expect(statSync(path.join(home.dir, 'state')).mode & 0o777).toBe(0o700)
})

it('a work tree from a folder, and from an address that the node clones, is as open as one from an address', async () => {
  const cloning = makeHome('[repositories]\nfetch = "node"\n')
  const ran = async (repo: string, file: string) => {
    const script = `cat setup.umask; umask; stat -c %a . setup.umask ${file}; find . ! -type l ! -perm -004`
    const around = ['--setup', 'umask > setup.umask', '--check', 'umask > $HOME/check.umask']
    const { out } = await tdf(cloning, 'submit', '--repo', repo, '-q', '--wait', ...around, '--', 'sh', '-c', script)
    const logs = await tdf(cloning, 'logs', out.trim())
    return [logs.out, readFileSync(path.join(cloning.dir, 'check.umask'), 'utf8')]
  }
  try {
    await cloning.start(variables)
    const [folder, cloned] = [await ran(makeRepository().dir, 'README.md'), await ran(ADDRESS, 'script.sh')]
    expect(folder).toEqual(['0022\n0022\n755\n644\n644\n', '0022\n'])
    expect(cloned).toEqual(['0022\n0022\n755\n644\n755\n', '0022\n'])
  } finally {
    await cloning.remove()
  }
})

it('a program that is not there is told with the node, the user, the PATH and the two ways out', async () => {
  const { dir } = makeRepository()
  const { out } = await tdf(home, 'submit', '--repo', dir, '--agent', 'lost', '--wait', '--json', 'look')
  const { error }: TaskJson = JSON.parse(out)
  expect(error?.code).toBe('CANNOT_START')
  expect(error?.message).toMatch(
    /^node local: ENOENT: cannot start no-such-agent: user .+ has no such program; PATH is \//,
  )
  expect(error?.message).toMatch(/; give \[agents\.lost\] a command with a full path, or an install command$/)
  const words = ['submit', '--repo', dir, '--wait', '--json', '--', 'no-such-program']
  const named: TaskJson = JSON.parse((await tdf(home, ...words)).out)
  expect(named.error?.message).toMatch(/; name it with its full path$/)
})

function variablesIn(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split('\n').map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
}
