#!/usr/bin/env node
// `gh api --include [--hostname H] [--header H]… [--input -] [--method M] PATH` as gh 2.23 does it, over the unix socket of its
// configuration: what it prints and how it ends is held against the real one by test/conformance/forge.test.ts.
import { existsSync, readFileSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'

const args = process.argv.slice(2)
const headers = {}
let hostname = 'github.com'
let input = null
let method = null
let at = ''
if (args.shift() !== 'api') fail('unknown command')
while (args.length > 0) {
  const word = args.shift()
  if (word === '--include') continue
  if (word === '--hostname') hostname = args.shift()
  else if (word === '--method') method = args.shift()
  else if (word === '--header') {
    const [, name, value] = /^([^:]+):\s*(.*)$/.exec(args.shift())
    headers[name] = value
  } else if (word === '--input') {
    args.shift()
    input = readFileSync(0)
  } else at = word
}
const home = process.env.XDG_CONFIG_HOME ?? path.join(process.env.HOME ?? '', '.config')
const isOwn = hostname !== 'github.com'
const hosts = path.join(home, 'gh', 'hosts.yml')
const [, known] = (existsSync(hosts) && /oauth_token: (\S+)/.exec(readFileSync(hosts, 'utf8'))) || []
const token = isOwn ? process.env.GH_ENTERPRISE_TOKEN : (process.env.GH_TOKEN ?? known)
if (!token) {
  process.stderr.write('To get started with GitHub CLI, please run:  gh auth login\n')
  process.exit(4)
}
const [, socketPath] = /^http_unix_socket: (.*)$/m.exec(readFileSync(path.join(home, 'gh', 'config.yml'), 'utf8')) ?? []
ask(isOwn ? hostname : 'api.github.com', isOwn ? `/api/v3/${at}` : `/${at}`, {
  ...headers,
  authorization: `token ${token}`,
})

function ask(host, pathname, sent) {
  const sentBy = method ?? (input === null ? 'GET' : 'POST')
  const request = http.request({ socketPath, path: pathname, method: sentBy, headers: { host, ...sent } }, response => {
    if (response.statusCode === 302) {
      response.resume()
      const to = new URL(response.headers.location)
      return ask(to.host, to.pathname, {})
    }
    process.stdout.write(`HTTP/1.1 ${response.statusCode} ${response.statusMessage}\n`)
    for (const [name, value] of Object.entries(response.headers)) process.stdout.write(`${name}: ${value}\r\n`)
    process.stdout.write('\r\n')
    let body = ''
    response.on('data', chunk => {
      body += chunk
      process.stdout.write(chunk)
    })
    response.on('error', () => fail('unexpected EOF'))
    response.on('end', () => {
      if (response.statusCode < 300) return
      fail(response.statusCode === 304 ? 'HTTP 304' : `${JSON.parse(body).message} (HTTP ${response.statusCode})`)
    })
  })
  request.on('error', error => fail(error.message))
  request.end(input ?? undefined)
}

function fail(message) {
  process.stderr.write(`gh: ${message}\n`)
  process.exitCode = 1
}
