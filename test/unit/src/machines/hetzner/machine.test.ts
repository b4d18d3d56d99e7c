/** How a server of the API is read: its address, its size and price; and how a machine with its own image is told who it is. */
import { describe, expect, it } from 'vitest'
import type { Server } from '../../../../../src/machines/hetzner/api.ts'
import { aboutOf, addressOf } from '../../../../../src/machines/hetzner/machine.ts'
import { directTransport } from '../../../../../src/machines/hetzner/provider.ts'
import { aNode } from '../../../../support/daemon/step-context.ts'

const price = (location: string, gross: string) => ({ location, price_hourly: { gross } })

function aServer(change: Partial<Server> = {}): Server {
  return {
    ...{ id: 7, name: 'one', status: 'running', created: 0, labels: {}, private_net: [{ ip: '10.0.0.2' }] },
    public_net: { ipv4: { ip: '192.0.2.7' }, ipv6: { ip: '2001:db8:1::/64' } },
    server_type: { name: 'cx23', prices: [price('fsn1', '0.0060'), price('hel1', '0.0070')] },
    location: { name: 'hel1' },
    ...change,
  }
}

describe('the address of a machine', () => {
  it('is the public one by ssh, and the private one where its agent is dialled directly', () => {
    expect([addressOf(aServer(), 'ssh'), addressOf(aServer(), 'direct')]).toEqual(['192.0.2.7', '10.0.0.2'])
  })
  it('is public where there is no private network', () => {
    expect(addressOf(aServer({ private_net: [] }), 'direct')).toBe('192.0.2.7')
  })
  it('is the first of its IPv6 network where that is all it has, and none where it has nothing', () => {
    const only = (ipv6: { ip: string } | null) => aServer({ public_net: { ipv4: null, ipv6 }, private_net: [] })
    expect(addressOf(only({ ip: '2001:db8:1::/64' }), 'ssh')).toBe('2001:db8:1::1')
    expect(addressOf(only(null), 'ssh')).toBeNull()
  })
})

describe('size and price of a machine', () => {
  const sizes = { small: 'cx23', tiny: 'cx23', large: 'cx43' }
  it('are those of its type and place', () => {
    expect(aboutOf(aServer(), sizes)).toEqual({ size: 'small', location: 'hel1', pricePerHour: 0.007 })
  })
  it('where two sizes are one type, it is the one that was asked for', () => {
    expect(aboutOf(aServer(), sizes, 'tiny').size).toBe('tiny')
    expect(aboutOf(aServer(), sizes, 'large').size).toBe('small')
  })
  it('a type that is not in the configuration keeps the size that was asked for', () => {
    const server = aServer({ server_type: { name: 'cx99', prices: [] } })
    expect(aboutOf(server, sizes, 'large')).toEqual({ size: 'large', location: 'hel1', pricePerHour: null })
  })
  it('the first price counts where the place has none, and none that is no number', () => {
    const server_type = { name: 'cx23', prices: [price('fsn1', '0.0060')] }
    expect(aboutOf(aServer({ server_type }), sizes).pricePerHour).toBe(0.006)
    expect(aboutOf(aServer({ server_type: { name: 'cx23', prices: [price('hel1', 'much')] } }), sizes)).toMatchObject({
      pricePerHour: null,
    })
    expect(aboutOf(aServer({ location: undefined }), sizes)).toMatchObject({ location: null, pricePerHour: 0.006 })
  })
})

describe('a machine whose image has an agent', () => {
  const token = (name: string) => `token-of-${name}`
  const read = async (setup: string) => {
    const text = await directTransport({ token, setup }).userData(aNode({ name: 'one' }))
    expect(text).toMatch(/^#cloud-config\n/)
    return JSON.parse(text.replace(/^#cloud-config\n/, ''))
  }
  const files = [
    { path: '/etc/tdf-agent/name', permissions: '0644', content: 'one\n' },
    { path: '/etc/tdf-agent/token', permissions: '0600', content: 'token-of-one\n' },
  ]
  const restart = ['systemctl', 'restart', 'tdf-agent']

  it('gets its name and its token, and the agent begins anew with them', async () => {
    expect(await read('')).toEqual({ write_files: files, runcmd: [restart] })
  })
  it('runs the set-up of the user before the agent begins', async () => {
    const setup = { path: '/etc/tdf-agent/setup', permissions: '0700', content: '#!/bin/sh\ntrue\n' }
    expect(await read('#!/bin/sh\ntrue\n')).toEqual({
      write_files: [...files, setup],
      runcmd: [['/etc/tdf-agent/setup'], restart],
    })
  })
  it('is reached with no ssh key, with its own token', async () => {
    const transport = directTransport({ token, setup: '' })
    const node = aNode({ name: 'one', address: '2001:db8::1' })
    expect([await transport.publicKey(), transport.shell(node), transport.isOutdated(node)]).toEqual([
      null,
      null,
      false,
    ])
    expect(await transport.connect(node)).toMatchObject({ token: 'token-of-one' })
  })
})
