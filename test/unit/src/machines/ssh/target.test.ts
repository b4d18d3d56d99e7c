import { describe, expect, it } from 'vitest'
import { type SshTarget, shellWord, sshOptions } from '../../../../../src/machines/ssh/target.ts'

const target: SshTarget = {
  destination: 'root@192.0.2.1',
  hostKeyAlias: 'tdf-n1',
  folder: '/state/ssh/nodes/n1',
  identity: '/state/ssh/admin',
}

const optionOf = (options: string[], name: string) =>
  options.find(word => word.startsWith(`${name}=`))?.slice(name.length + 1)

describe('the options of ssh', () => {
  it.each([
    ['BatchMode', 'yes'],
    ['StrictHostKeyChecking', 'yes'],
    ['UserKnownHostsFile', '"/state/ssh/nodes/n1/known_hosts"'],
    ['GlobalKnownHostsFile', '/dev/null'],
    ['HostKeyAlias', 'tdf-n1'],
    ['UpdateHostKeys', 'no'],
    ['ForwardAgent', 'no'],
    ['ExitOnForwardFailure', 'yes'],
    ['StreamLocalBindUnlink', 'yes'],
  ])('say that %s is %s, whatever a configuration file says', (name, value) => {
    expect(optionOf(sshOptions(target), name)).toBe(value)
    expect(optionOf(sshOptions({ ...target, identity: null }), name)).toBe(value)
  })

  it('leave no configuration and no key but ours to a machine that tdf ordered', () => {
    const options = sshOptions(target)
    expect(options.slice(0, 2)).toEqual(['-F', 'none'])
    expect(optionOf(options, 'IdentitiesOnly')).toBe('yes')
    expect(options[options.indexOf('-i') + 1]).toBe('/state/ssh/admin')
    expect(sshOptions({ ...target, identity: null })).not.toContain('-F')
  })

  it('notice a frozen machine within ten seconds', () => {
    const options = sshOptions(target)
    const silentS = Number(optionOf(options, 'ServerAliveInterval')) * Number(optionOf(options, 'ServerAliveCountMax'))
    expect(silentS).toBeLessThanOrEqual(10)
  })

  it('carry a path with signs that ssh reads as its own', () => {
    const options = sshOptions({ ...target, folder: '/a "b" %h' })
    expect(optionOf(options, 'UserKnownHostsFile')).toBe('"/a \\"b\\" %%h/known_hosts"')
  })
})

describe('a word for the shell of the other side', () => {
  it.each([
    ['plain', "'plain'"],
    ["it's; rm -rf /", "'it'\\''s; rm -rf /'"],
    ['$(x) `y`', "'$(x) `y`'"],
  ])('%s becomes %s', (text, word) => {
    expect(shellWord(text)).toBe(word)
  })
})
