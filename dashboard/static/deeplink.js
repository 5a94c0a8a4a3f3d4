// Hands what stands behind the # of a console's link on to the server, which a browser does not send.
if (location.hash.length > 1) location.replace(`${location.pathname}?${new URLSearchParams({ link: location.hash })}`);
addEventListener('hashchange', () => location.reload());
