import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { TdfError } from '../../../../src/core/errors.ts'
import { findPaths } from '../../../../src/platform/paths.ts'

const person = { uid: 1000, homeDir: '/home/ada' }
const root = { uid: 0, homeDir: '/root' }

test('TDF_HOME puts everything under one folder, also for root and inside a service', () => {
  const env = { TDF_HOME: '/srv/tdf', STATE_DIRECTORY: '/var/lib/tdf', XDG_RUNTIME_DIR: '/run/user/0' }
  expect(findPaths({ ...root, env })).toEqual({
    kind: 'home',
    home: '/srv/tdf',
    configFile: '/srv/tdf/config.toml',
    stateDir: '/srv/tdf/state',
    runDir: '/srv/tdf/run',
    socket: '/srv/tdf/run/tdf.sock',
    systemSocket: null,
  })
})

test('a relative TDF_HOME is meant from the current folder', () => {
  expect(findPaths({ ...person, env: { TDF_HOME: 'box' } }).home).toBe(resolve('box'))
})

test('a person without TDF_HOME lives in the XDG folders, and may also ask the daemon of the machine', () => {
  expect(findPaths({ ...person, env: { XDG_RUNTIME_DIR: '/run/user/1000' } })).toEqual({
    kind: 'user',
    home: '/home/ada/.local/state/tdf',
    configFile: '/home/ada/.config/tdf/config.toml',
    stateDir: '/home/ada/.local/state/tdf',
    runDir: '/run/user/1000/tdf',
    socket: '/run/user/1000/tdf/tdf.sock',
    systemSocket: '/run/tdf/tdf.sock',
  })
})

test('the XDG folders may be elsewhere; relative ones do not count', () => {
  const env = { XDG_CONFIG_HOME: '/c', XDG_STATE_HOME: 'state', XDG_RUNTIME_DIR: '/r' }
  expect(findPaths({ ...person, env })).toMatchObject({
    configFile: '/c/tdf/config.toml',
    stateDir: '/home/ada/.local/state/tdf',
    socket: '/r/tdf/tdf.sock',
  })
})

test('without a runtime folder of the session the socket lies in the state folder', () => {
  expect(findPaths({ ...person, env: {} }).socket).toBe('/home/ada/.local/state/tdf/run/tdf.sock')
})

test('root is the system, unless TDF_SYSTEM=0; TDF_SYSTEM=1 makes anyone the system', () => {
  const system = {
    kind: 'system',
    home: '/var/lib/tdf',
    configFile: '/etc/tdf/config.toml',
    socket: '/run/tdf/tdf.sock',
  }
  expect(findPaths({ ...root, env: {} })).toMatchObject(system)
  expect(findPaths({ ...person, env: { TDF_SYSTEM: '1' } })).toMatchObject(system)
  expect(findPaths({ ...root, env: { TDF_SYSTEM: '0' } }).kind).toBe('user')
})

test('a unit of systemd says where its folders are; those of another service do not count', () => {
  const ours = {
    STATE_DIRECTORY: '/var/lib/other:/var/lib/private/tdf',
    RUNTIME_DIRECTORY: '/run/tdf',
    CONFIGURATION_DIRECTORY: '/etc/tdf',
  }
  expect(findPaths({ ...person, env: ours })).toMatchObject({
    home: '/var/lib/private/tdf',
    stateDir: '/var/lib/private/tdf',
    socket: '/run/tdf/tdf.sock',
    configFile: '/etc/tdf/config.toml',
  })
  expect(findPaths({ ...person, env: { STATE_DIRECTORY: '/var/lib/other' } }).stateDir).toBe(
    '/home/ada/.local/state/tdf',
  )
})

test('TDF_CONFIG names another file and moves nothing else', () => {
  const paths = findPaths({ ...person, env: { TDF_HOME: '/srv/tdf', TDF_CONFIG: '/tmp/other.toml' } })
  expect(paths).toMatchObject({ configFile: '/tmp/other.toml', stateDir: '/srv/tdf/state' })
})

test('a variable that is empty counts as not set', () => {
  expect(findPaths({ ...person, env: { TDF_HOME: '', TDF_CONFIG: '', TDF_SYSTEM: '', XDG_STATE_HOME: '' } }).kind).toBe(
    'user',
  )
})

test('a socket path of 107 bytes is taken; one more is refused with the name of what to shorten', () => {
  const homeOf = (bytes: number) => `/${'x'.repeat(bytes - '/run/tdf.sock'.length - 1)}`
  expect(findPaths({ ...person, env: { TDF_HOME: homeOf(107) } }).socket).toHaveLength(107)
  const refused = () => findPaths({ ...person, env: { TDF_HOME: homeOf(108) } })
  expect(refused).toThrow(TdfError)
  expect(refused).toThrow(/108 bytes long and the system takes 107.*TDF_HOME must be a shorter path/)
})

test('bytes are counted, not letters, and a too long XDG folder points at TDF_HOME', () => {
  const refused = () => findPaths({ ...person, env: { XDG_RUNTIME_DIR: `/${'ü'.repeat(60)}` } })
  expect(refused).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', hint: 'export TDF_HOME=/home/ada/.tdf' }))
  expect(refused).toThrow(/set TDF_HOME to a folder with a shorter path/)
})
