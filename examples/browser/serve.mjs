// Serves the two files of this example. Any other server for plain files would do.

import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const FILES = { '/': ['index.html', 'text/html'], '/wsc.js': ['wsc.js', 'text/javascript'] };
const port = Number(process.env.PORT ?? 5173);

const server = createServer((request, response) => {
  const [name, type] = FILES[new URL(request.url, 'http://localhost').pathname] ?? [];
  if (!name) return response.writeHead(404).end('nothing here');
  response.writeHead(200, { 'content-type': `${type}; charset=utf-8` });
  createReadStream(join(import.meta.dirname, name)).pipe(response);
});
server.listen(port, 'localhost', () => console.log(`http://localhost:${server.address().port}/?user=alice&to=bob`));
