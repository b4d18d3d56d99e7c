/** Everything that the API is known to answer, and everything that a network does to an answer. */
import { no, type Strike } from '../../fakes/hetzner/faults.ts'

export const STRIKES: Readonly<Record<string, Strike>> = {
  'a syntax error': no(400, 'json_error'),
  'a revoked token': no(401, 'unauthorized'),
  'a read-only token': no(401, 'token_readonly'),
  'a forbidden call': no(403, 'forbidden'),
  maintenance: no(403, 'maintenance'),
  'the limit of the account': no(403, 'resource_limit_exceeded'),
  'the limit of servers': no(403, 'server_limit_exceeded'),
  'a wrong method': no(405, 'method_not_allowed'),
  'a name that is taken': no(409, 'uniqueness_error'),
  'a conflict': no(409, 'conflict'),
  'a call that is gone': no(410, 'deprecated_api_endpoint'),
  'no room': no(412, 'resource_unavailable'),
  'no placement': no(412, 'placement_error'),
  'wrong input': no(422, 'invalid_input'),
  'a place without the type': no(422, 'invalid_input', 'unsupported location for server type'),
  'a broken service': no(422, 'service_error'),
  'an unsupported call': no(422, 'unsupported_error'),
  'a lock': no(423, 'locked'),
  protection: no(423, 'protected'),
  'too many requests': no(429, 'rate_limit_exceeded'),
  'a broken server': no(500, 'server_error'),
  'an unavailable server': no(503, 'unavailable'),
  'a late server': no(504, 'timeout'),
  'a broken server, and it was done': { kind: 'after', status: 500, code: 'server_error' },
  'a late server, and it was done': { kind: 'after', status: 504, code: 'timeout' },
  'a page of a gateway': { kind: 'garbage', status: 502, text: '<html>Bad Gateway</html>', done: false },
  'half an answer, and it was done': { kind: 'garbage', status: 200, text: '{"server":{"id":', done: true },
  'a cut connection': { kind: 'cut', done: false },
  'a cut connection, and it was done': { kind: 'cut', done: true },
  silence: { kind: 'hang', done: false },
  'silence, and it was done': { kind: 'hang', done: true },
  'an empty list': { kind: 'empty' },
}

/** The calls of a node's journey. */
export const CALLS: Readonly<Record<string, RegExp>> = {
  'GET /servers': /^(hetzner )?GET \/servers$/,
  'GET /servers/:id': /^(hetzner )?GET \/servers\/\d+$/,
  'POST /servers': /^(hetzner )?POST \/servers$/,
  'PUT /servers/:id': /^(hetzner )?PUT \/servers\/\d+$/,
  'DELETE /servers/:id': /^(hetzner )?DELETE \/servers\/\d+$/,
  'GET /ssh_keys': /^(hetzner )?GET \/ssh_keys$/,
  'POST /ssh_keys': /^(hetzner )?POST \/ssh_keys$/,
  'GET /actions': /^(hetzner )?GET \/actions$/,
}
